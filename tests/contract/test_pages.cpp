// Every model that gives pages, as its own type and erased, is held to the laws of PageSource.
#include <catch2/catch.hpp>

#include "tests/contract/page_laws.hpp"

using namespace kmemlab;
using namespace kmemlab::test;

namespace {

template <class Law>
void for_each_with_pages(Law law) {
    for_each_subject([&]<Allocator A>(const Subject<A>& subject) {
        if constexpr (PageSource<A>) {
            if (!subject.info.capabilities.pages) return;
            DYNAMIC_SECTION(subject.name) {
                CHECK(text(law(subject)) == "");
            }
        }
    });
}

}  // namespace

TEST_CASE("blocks of every order are aligned, described and come back") {
    for_each_with_pages([](const auto& subject) { return takes_all_orders(subject); });
}
TEST_CASE("there are no blocks above the largest order") {
    for_each_with_pages([](const auto& subject) { return refuses_larger_orders(subject); });
}
TEST_CASE("random orders on four CPUs break no law, also when memory ends") {
    for_each_with_pages([](const auto& subject) { return pages_survive_churn(subject); });
}
