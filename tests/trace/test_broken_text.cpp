/// Input that is wrong is refused with one line that names file, line and what was expected.
#include "bench/trace/packed.hpp"
#include "tests/trace/trace_support.hpp"

using namespace kmemlab;
using namespace kmemlab::trace;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

TEST_CASE("a line that is no trace is named by its number and shown") {
    const std::string error = error_of_text(kmalloc_line("aaaa") + "hello world\n");
    CHECK_THAT(error,
               Equals("T:2: cannot be parsed: expected \"COMM-PID [CPU] SECONDS.FRACTION: EVENT: FIELDS\", "
                      "found \"hello world\""));
}

TEST_CASE("an unprintable or long line is shown in a printable, short form") {
    const std::string error = error_of_text(kmalloc_line("aaaa") + "\x1b[31m" + std::string(500, 'x') + "\n");
    CHECK_THAT(error, Contains("found \"?[31mxxx"));
    CHECK(error.size() < 200);
}

TEST_CASE("a missing field is named, by event and line") {
    const std::string head = "a-1 [000] ..... 1.0: ";
    const auto error = [&](std::string_view event) {
        return error_of_text(head + std::string{event} + "\n");
    };
    CHECK_THAT(error("kmalloc: call_site=f ptr=aa bytes_alloc=8 gfp_flags=GFP_KERNEL"),
               Equals("T:1: kmalloc lacks bytes_req="));
    CHECK_THAT(error("kmem_cache_alloc: call_site=f bytes_req=8"),
               Equals("T:1: kmem_cache_alloc lacks ptr= bytes_alloc= gfp_flags="));
    CHECK_THAT(error("kfree: call_site=f"), Equals("T:1: kfree lacks ptr="));
    CHECK_THAT(error("kmem_cache_free: ptr=aa"), Equals("T:1: kmem_cache_free lacks call_site="));
    CHECK_THAT(error("mm_page_alloc: page=aa pfn=0x5 order=0 gfp_flags=GFP_KERNEL"),
               Equals("T:1: mm_page_alloc lacks migratetype="));
    CHECK_THAT(error("mm_page_free: page=aa pfn=0x5"), Equals("T:1: mm_page_free lacks order="));
    CHECK_THAT(error("mm_page_free_batched: page=aa"), Equals("T:1: mm_page_free_batched lacks pfn="));
    CHECK_THAT(error("alloc_vmap_area: va_start: 4096 size=1"),
               Equals("T:1: alloc_vmap_area lacks align= failed="));
    CHECK_THAT(error("free_vmap_area_noflush: nr_lazy=1"),
               Equals("T:1: free_vmap_area_noflush lacks va_start="));
    CHECK_THAT(error("purge_vmap_area_lazy: start=0x1 end=0x2"),
               Equals("T:1: purge_vmap_area_lazy lacks num_purged="));
}

TEST_CASE("a value of the wrong form is shown with the form expected") {
    CHECK_THAT(error_of_text(kfree_line("zzz")),
               Equals("T:1: kfree: ptr=zzz: expected an address in hexadecimal, (null) or (____ptrval____)"));
    CHECK_THAT(error_of_text(page_free_line("0xq")), Equals("T:1: mm_page_free: pfn=0xq: expected a number"));
    CHECK_THAT(error_of_text(kfree_line("")), Contains("ptr=: expected an address"));
    CHECK_THAT(error_of_text(page_free_line("99999999999999999999")), Contains("expected a number"));
}

TEST_CASE("a value out of range is refused") {
    CHECK_THAT(error_of_text(page_free_line("0x5", 32)),
               Equals("T:1: mm_page_free: order=32: expected 0..31"));
    CHECK_THAT(error_of_text(event_line("kfree: call_site=f ptr=aaaa", 256)),
               Equals("T:1: kfree: CPU 256: expected 0..255"));
    CHECK_THAT(error_of_text(event_line(
                   "kmalloc: call_site=f ptr=aaaa bytes_req=4294967296 bytes_alloc=8 gfp_flags=0")),
               Contains("expected less than 4 GiB"));
    CHECK_THAT(error_of_text(kfree_line("ffffffffffffffff")), Contains("all ones"));
}

TEST_CASE("a time that is not in seconds, or no CPU, is a line that cannot be parsed") {
    CHECK_THAT(error_of_text("a-1 [000] ..... 123456: kfree: call_site=f ptr=aa\n"),
               Contains("T:1: cannot be parsed"));
    CHECK_THAT(error_of_text("a 1 1.25: kmem:kfree: call_site=f ptr=aa\n"),
               Contains("T:1: cannot be parsed"));
}

TEST_CASE("a time of more nanoseconds than 64 bits hold is a line that cannot be parsed") {
    const auto line = [](std::string_view time) {
        return fmt::format("a-1 [000] ..... {}: kfree: call_site=f ptr=aa\n", time);
    };
    CHECK_NOTHROW(read_text(line("18446744072.999999999")));
    for (const char* time : {"18446744074.0", "36893488147.5", "99999999999.9"})
        CHECK_THAT(error_of_text(line(time)), Contains("T:1: cannot be parsed"));
}

TEST_CASE("a last line without its newline is truncated") {
    std::string text = kmalloc_line("aaaa") + kmalloc_line("bbbb");
    text.resize(text.size() - 30);
    CHECK_THAT(error_of_text(text), Contains("T:2: the last line is truncated: expected a newline after"));
}

TEST_CASE("an empty text, and one without an event of ours, are refused") {
    CHECK_THAT(error_of_text(""), Equals("T: empty: expected a recorded trace"));
    CHECK_THAT(error_of_text("# tracer: nop\n#\n"),
               Contains("T:3: the trace ends without a single kmem or vmalloc event"));
    CHECK_THAT(error_of_text(event_line("sched_switch: a=b")),
               Contains("without a single kmem or vmalloc event"));
}

TEST_CASE("a line without end is refused before it fills the memory") {
    TextReader reader{"T"};
    const std::string piece(60000, 'x');
    reader.feed(piece);
    CHECK_THAT(error_of([&] { reader.feed(piece); }), Contains("T:1: a line longer than 65536 bytes"));
}

TEST_CASE("a line is too long or not whatever the pieces it comes in") {
    for (const std::size_t size : {std::size_t{65536}, std::size_t{65537}, std::size_t{70000}}) {
        const std::string text = fmt::format("#{:x<{}}\n{}", "", size - 1, kmalloc_line("aaaa"));
        for (const std::size_t piece : {std::size_t{1000}, std::size_t{65537}, text.size()}) {
            CAPTURE(size, piece);
            const auto read = [&] {
                TextReader reader{"T"};
                for (std::size_t at = 0; at < text.size(); at += piece)
                    reader.feed(std::string_view{text}.substr(at, piece));
                return reader.finish();
            };
            if (size <= 65536)
                CHECK_NOTHROW(read());
            else
                CHECK_THAT(error_of([&] { static_cast<void>(read()); }),
                           Equals("T:1: a line longer than 65536 bytes: expected the text of a trace"));
        }
    }
}

TEST_CASE("no cut of a text crashes: it is read or refused") {
    const std::string text = kmalloc_line("aaaa") + cache_alloc_line("bbbb", "filp") +
                             page_alloc_line("0x10") +
                             event_line(
                                 "alloc_vmap_area: va_start: 18446683600627662848 size=20480 align=16384 "
                                 "vstart=0x0 vend=0x1 failed=0") +
                             "CPU:1 [LOST 254 EVENTS]\n";
    for (std::size_t size = 0; size < text.size(); ++size) {
        const bool whole_line = size > 0 && text[size - 1] == '\n';
        if (whole_line)
            CHECK_NOTHROW(read_text(text.substr(0, size)));
        else
            CHECK_THROWS_AS(read_text(text.substr(0, size)), UsageError);
    }
}
