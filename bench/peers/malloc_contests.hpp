/// Rows in which only malloc and free of libraries meet, ours among them: each called through the pointer
/// that its shared library exports. Works, sizes in bytes:
///
///     pair/64, pair/8-8192          one object taken and put back; of random sizes
///     batchN-lifo, -fifo, -random   N objects of 64 bytes taken, then all put back in that order
///     churn/8-1023                  4096 objects live; a random one is put back, one of random size taken
///     threads2-pair, -batch128, -churn    two threads, each on a CPU of its own, at the same work
///     handoff/64                    one thread takes, another, on another CPU, puts back
///
/// Random sizes and places are drawn before, the same for all. A unit is one object taken and put back; of
/// two threads it is the first's, and the time its own CPU time.
#pragma once

#include <span>

#include "bench/measure/contest.hpp"
#include "bench/peers/peer_library.hpp"

namespace kmemlab::peers {

void add_malloc_contests(Contests& contests, std::span<const PeerLibrary> libraries);

}  // namespace kmemlab::peers
