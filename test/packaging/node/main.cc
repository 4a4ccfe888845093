// Node as the libnode of this build has it, as a program: the oldest that the bundles must run on, where that
// is Debian's.
#include <node.h>

#include <cstdio>
#include <string>

#include "runtime/embedded_scripts.h"

int main(int count, char** arguments) {
  std::string problem;
  if (!polyraft::runtime::provide_embedded_scripts(&problem)) {
    fprintf(stderr, "%s\n", problem.c_str());
    return 1;
  }
  return node::Start(count, arguments);
}
