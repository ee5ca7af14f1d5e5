/// What the tests of traces share: reading text without a file, files that vanish, messages of errors.
#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

#include "allocators/base/check.hpp"
#include "bench/trace/text_reader.hpp"
#include "bench/trace/trace.hpp"

namespace kmemlab::trace {

/// The text as file "T" would be read.
inline Trace read_text(std::string_view text) {
    TextReader reader{"T"};
    reader.feed(text);
    return reader.finish();
}

/// The message of the UsageError that `f` must throw.
template <class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const UsageError& error) {
        return error.what();
    }
    FAIL("no UsageError");
    return {};
}

inline std::string error_of_text(std::string_view text) {
    return error_of([&] { static_cast<void>(read_text(text)); });
}

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "kmemlab-test-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
    std::string write(const std::string& name, std::string_view content) const {
        std::ofstream{file(name), std::ios::binary} << content;
        return file(name);
    }
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator{path_}, std::filesystem::directory_iterator{}));
    }

  private:
    std::filesystem::path path_;
};

inline std::string content_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

/// A line of ftrace as Linux 6.18 prints it, on `cpu`, `us` microseconds after the first second.
inline std::string event_line(std::string_view event, unsigned cpu = 0, unsigned us = 0) {
    return fmt::format("            test-100     [{:03}] .....     1.{:06}: {}\n", cpu, us, event);
}
inline std::string kmalloc_line(std::string_view ptr, unsigned bytes = 100, unsigned cpu = 0,
                                unsigned us = 0) {
    return event_line(fmt::format("kmalloc: call_site=f+0x1/0x2 ptr={} bytes_req={} bytes_alloc=128 "
                                  "gfp_flags=GFP_KERNEL node=-1 accounted=false",
                                  ptr, bytes),
                      cpu, us);
}
inline std::string kfree_line(std::string_view ptr, unsigned cpu = 0, unsigned us = 0) {
    return event_line(fmt::format("kfree: call_site=g+0x1/0x2 ptr={}", ptr), cpu, us);
}
inline std::string cache_alloc_line(std::string_view ptr, std::string_view name, unsigned bytes = 184) {
    return event_line(
        fmt::format("kmem_cache_alloc: call_site=h+0x1/0x2 ptr={} name={} bytes_req={} "
                    "bytes_alloc=192 gfp_flags=GFP_KERNEL node=-1 accounted=true",
                    ptr, name, bytes));
}
inline std::string cache_free_line(std::string_view ptr, std::string_view name) {
    return event_line(fmt::format("kmem_cache_free: call_site=i+0x1/0x2 ptr={} name={}", ptr, name));
}
inline std::string page_alloc_line(std::string_view pfn, unsigned order = 0) {
    return event_line(
        fmt::format("mm_page_alloc: page=00000000e076680a pfn={} order={} migratetype=1 "
                    "gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP",
                    pfn, order));
}
inline std::string page_free_line(std::string_view pfn, unsigned order = 0) {
    return event_line(fmt::format("mm_page_free: page=00000000e076680a pfn={} order={}", pfn, order));
}
inline std::string batched_line(std::string_view pfn) {
    return event_line(fmt::format("mm_page_free_batched: page=00000000e076680a pfn={} order=0", pfn));
}

}  // namespace kmemlab::trace
