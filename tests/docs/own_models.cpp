// What knows the names of the models, once more, with the page's example among them. Included rather than
// listed in CMakeLists.txt: there each would have two compile commands, and clang-tidy would read both.
#include "allocators/contract/registry.cpp"
#include "bench/replay/models.cpp"
#include "bench/replay/replay.cpp"
#include "bench/replay/session.cpp"
