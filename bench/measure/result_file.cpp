#include "bench/measure/result_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "allocators/base/check.hpp"

namespace kmemlab {
namespace {

/// True for pipes and devices; false for regular files, folders and names that do not exist.
bool is_stream(const std::string& name) {
    struct stat facts {};
    return stat(name.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode);
}

bool is_folder(const std::string& name) {
    struct stat facts {};
    return stat(name.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

}  // namespace

ResultFile::ResultFile(std::string name) : name_{std::move(name)} {
    if (name_.empty()) throw UsageError("cannot write a result: the name of the file is empty");
    if (is_folder(name_)) fail(EISDIR);
    const bool straight = is_stream(name_);
    if (!straight) temporary_ = name_ + ".part";
    const std::string& target = straight ? name_ : temporary_;
    const int how = straight ? O_WRONLY : O_WRONLY | O_CREAT | O_TRUNC;
    descriptor_ = open(target.c_str(), how | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
        temporary_.clear();
        fail(errno);
    }
}

ResultFile::~ResultFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

void ResultFile::commit(std::string_view text) {
    write_all(text);
    // A pipe or a device has nothing to force to a disk.
    if (!temporary_.empty() && fsync(descriptor_) != 0) fail(errno);
    close_descriptor();
    if (temporary_.empty()) return;
    if (std::rename(temporary_.c_str(), name_.c_str()) != 0) fail(errno);
    temporary_.clear();
}

void ResultFile::fail(int error) const {
    throw UsageError::of("cannot write {}: {}", name_, std::strerror(error));
}

void ResultFile::write_all(std::string_view text) const {
    while (!text.empty()) {
        const ssize_t written = write(descriptor_, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail(errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

void ResultFile::close_descriptor() {
    const int descriptor = std::exchange(descriptor_, -1);
    if (close(descriptor) != 0) fail(errno);
}

void write_result(const std::string& name, std::string_view text) {
    ResultFile{name}.commit(text);
}

}  // namespace kmemlab
