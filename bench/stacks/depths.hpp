/// How deep tasks go on their kernel stacks: a histogram, and from it the depth of any number of tasks, the
/// same in every run.
///
///     # what `grep kstack /proc/vmstat` prints, or bytes: so many tasks used at most so much, and more than
///     # the line before says
///     kstack_2k 188
///     3000 12
///
/// The default is what the kernel's own change that added the histogram shows for an Intel machine: 11825
/// tasks that exited, 243 of them beyond 4 KiB (Tatashin, "vmstat: kernel stack usage histogram", July 2024).
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace kmemlab::stacks {

class Depths {
  public:
    struct Bucket {
        std::size_t above = 0;  ///< bytes: tasks of this bucket used more,
        std::size_t up_to = 0;  ///< and at most this
        std::uint64_t tasks = 0;
    };

    Depths();
    explicit Depths(std::vector<Bucket> buckets);
    /// Throws UsageError naming file, line and what was expected; also if the file holds no task.
    [[nodiscard]] static Depths read(const std::string& path);
    [[nodiscard]] static Depths parse(std::istream& text, const std::string& name);

    [[nodiscard]] const std::vector<Bucket>& buckets() const { return buckets_; }
    [[nodiscard]] std::uint64_t tasks() const { return tasks_; }
    /// Depth of task i, bytes. Of any tasks() tasks in a row each bucket gets exactly its number, mixed.
    [[nodiscard]] std::size_t of_task(std::uint64_t i) const;

  private:
    std::vector<Bucket> buckets_;  ///< ascending
    std::uint64_t tasks_ = 0;
    std::uint64_t stride_ = 1;  ///< from task to task through the histogram; no divisor in common with tasks_
};

}  // namespace kmemlab::stacks
