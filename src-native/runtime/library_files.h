// The parts of the library that lie beside it, wherever it was moved to: <directory of the .so>/polyraft/.
#ifndef POLYRAFT_RUNTIME_LIBRARY_FILES_H_
#define POLYRAFT_RUNTIME_LIBRARY_FILES_H_

#include <string>

namespace polyraft::runtime {

inline constexpr char kEngineBundle[] = "engine.cjs";
inline constexpr char kCraftBundle[] = "craft.cjs";
inline constexpr char kEngineAddon[] = "polyraft.node";
inline constexpr char kEmbeddedPlugin[] = "libpolyraft-node.so";

// The directory of those parts, absolute; empty when this library cannot tell where it lies.
std::string private_directory();
// The absolute path of a part. It need not exist.
std::string library_file(const char* name);
// The engine's bundle: the environment's POLYRAFT_ENGINE (for developers), else the one beside the library.
std::string engine_bundle();
bool is_readable_file(const std::string& path);

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_LIBRARY_FILES_H_
