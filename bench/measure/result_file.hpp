/// ResultFile: a file that is there whole or not at all.
///
/// The text is written to NAME.part in the same folder, forced to the disk, and renamed over NAME, so a
/// result that was there before stays until the new one is complete. A target that is no regular file
/// (a pipe, /dev/stdout) is written straight.
#pragma once

#include <string>
#include <string_view>

namespace kmemlab {

class ResultFile {
  public:
    /// Opens the temporary file at once, so that a name that cannot be written is known before anything is
    /// measured. Throws UsageError naming the file and the system's reason.
    explicit ResultFile(std::string name);
    /// Removes the temporary file unless commit() was called.
    ~ResultFile();
    ResultFile(const ResultFile&) = delete;
    ResultFile& operator=(const ResultFile&) = delete;

    /// Writes the text and puts it in place. Throws UsageError (disk full, ...); NAME is then as before.
    void commit(std::string_view text);

  private:
    [[noreturn]] void fail(int error) const;
    void write_all(std::string_view text) const;
    void close_descriptor();

    std::string name_;
    std::string temporary_;  ///< empty if written straight
    int descriptor_ = -1;
};

/// All of it in one call.
void write_result(const std::string& name, std::string_view text);

}  // namespace kmemlab
