/// Guest: a kernel of `kmemlab kernel build` that runs as a process of its own (User-Mode Linux) and does
/// what it is told by lines on a socket (bench/kernel/kmemlab_replay.c has them). While it waits for a line
/// it takes no processor time, so several of them, and models, can take turns.
///
/// It ends when the socket does, and therefore whenever this process does.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/guests/kernels.hpp"

namespace kmemlab::guests {

/// A folder below the system's one for temporary files, removed with what is in it.
class ScratchFolder {
  public:
    ScratchFolder();
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// Starts a program as a guest: with an address space that is always the same, in a process group of its own,
/// what it prints in root/console. `channel`: a descriptor that it inherits, or -1. Throws UsageError.
[[nodiscard]] pid_t start(std::vector<std::string> words, const std::filesystem::path& root, int channel);

/// Of the number in a guest's name. The kernel keeps the name, so its length shifts what SLOB's lists hold.
inline constexpr unsigned name_digits = 5;

/// Starts the kernel `image` of `kernel` with `root` as its root folder, whose /init runs first, and `memory`
/// bytes. `digits`: name_digits, or 4.
[[nodiscard]] pid_t boot(const Kernel& kernel, const std::string& image, const std::filesystem::path& root,
                         std::size_t memory, int channel, unsigned digits = name_digits);

/// The folders that a guest mounts over or writes to, and `init` as /init.
void make_root(const std::filesystem::path& root, const std::filesystem::path& init);

/// The last thing that it printed; for messages.
[[nodiscard]] std::string last_words(const std::filesystem::path& root);

class Guest {
  public:
    /// Boots. `memory`: bytes of the machine. Throws UsageError if it does not come up.
    Guest(const Kernel& kernel, std::size_t memory);
    ~Guest();
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;

    /// What follows "ok" in the answer. Throws UsageError with the guest's own words if it says no, or is
    /// gone.
    std::string ask(const std::string& line);
    /// A file of the guest's, as /proc/buddyinfo; empty if it has none.
    [[nodiscard]] std::string file(const std::string& path);
    /// Where files are exchanged.
    [[nodiscard]] const std::filesystem::path& folder() const { return scratch_.path(); }
    /// From now on it runs on the CPUs that this thread may run on.
    void follow_affinity() const;

  private:
    [[nodiscard]] std::string answer();
    [[noreturn]] void give_up(const std::string& why) const;

    std::string name_;
    ScratchFolder scratch_;
    int socket_ = -1;
    pid_t pid_ = -1;
};

}  // namespace kmemlab::guests
