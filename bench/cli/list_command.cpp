#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "bench/cli/command.hpp"
#include "bench/cli/output.hpp"

namespace kmemlab::cli {
namespace {

struct ListOptions {
    bool tunables = false;
};

std::string capabilities_text(const Capabilities& c) {
    std::vector<std::string> words;
    if (c.object_caches) words.emplace_back("object caches");
    if (c.pages) words.emplace_back("pages");
    if (c.areas) words.emplace_back("areas");
    if (c.stacks) words.emplace_back("kernel stacks");
    if (c.thread_safe) words.emplace_back("thread safe");
    if (c.deterministic) words.emplace_back("deterministic");
    return fmt::format("{}; {} to {} bytes, aligned to at most {}", fmt::join(words, ", "), c.smallest,
                       c.largest, c.largest_align);
}

std::string tunables_text(std::string_view name) {
    std::string text;
    for (const TunableValue& t : tunables_of(name)) {
        text += fmt::format("    {:<28} {:<14} {} ({})\n", t.key, t.value, t.help, t.accepted);
    }
    return text;
}

int list(const ListOptions& options) {
    std::string text;
    for_each_model([&]<class M>() {
        const ModelInfo& info = M::info;
        text += fmt::format("{}: {}\n    follows {}\n    {}\n", info.name, info.what, info.follows,
                            capabilities_text(info.capabilities));
        if (options.tunables) text += tunables_text(info.name);
    });
    print(text);
    return exit_good;
}

}  // namespace

Command add_list(CLI::App& program) {
    auto options = std::make_shared<ListOptions>();
    CLI::App* app = program.add_subcommand("list", "The allocators: whom they follow and what they can");
    app->add_flag("--tunables", options->tunables, "Also what can be set by --set, its value and its range");
    app->footer("\nExample:\n  kmemlab list --tunables");
    return {app, [options](const Invocation&) { return list(*options); }};
}

}  // namespace kmemlab::cli
