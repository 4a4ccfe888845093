// The buffer that is shared with the engine.
#ifndef POLYRAFT_CRAFT_WORDS_H_
#define POLYRAFT_CRAFT_WORDS_H_

#include <cstddef>
#include <memory>

namespace polyraft::craft {

class Words {
 public:
  explicit Words(size_t count) : words_(new double[count]()), count_(count) {}

  double* data() { return words_.get(); }
  size_t size() const { return count_; }
  double& operator[](size_t at) { return words_[at]; }
  template <typename Number>
  Number as(size_t at) const {
    return static_cast<Number>(words_[at]);
  }

 private:
  std::unique_ptr<double[]> words_;
  size_t count_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_WORDS_H_
