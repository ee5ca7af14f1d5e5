#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/cli/command.hpp"
#include "bench/cli/plots.hpp"

namespace kmemlab::cli {
namespace {

struct BuildOptions {
    std::string tree;
    std::string config = "slub";
    std::string name;
    std::vector<std::string> kconfig;
    std::string append;
    unsigned jobs = 0;
    bool smp = false;
};

std::vector<std::string> words_of(const BuildOptions& options) {
    std::vector<std::string> words = guests_words("build");
    const auto add = [&](const std::string& option, const std::string& value) {
        if (!value.empty()) words.push_back(option + "=" + value);
    };
    add("--tree", options.tree);
    add("--config", options.config);
    add("--name", options.name);
    for (const std::string& option : options.kconfig) add("--kconfig", option);
    add("--append", options.append);
    if (options.smp) words.emplace_back("--smp");
    if (options.jobs != 0) add("--jobs", fmt::format("{}", options.jobs));
    return words;
}

/// A kernel's name becomes a folder's, and stands between colons.
std::string name_fault(const std::string& name) {
    const bool good =
        !name.empty() && name.front() != '.' && name.find_first_of("/:, \t") == std::string::npos;
    return good ? "" : fmt::format("'{}': expected a name without '/', ':', ',' and blanks", name);
}

std::string kconfig_fault(const std::string& option) {
    const bool good = option.starts_with("CONFIG_") && option.find('=') != std::string::npos;
    return good ? "" : fmt::format("'{}': expected CONFIG_NAME=VALUE", option);
}

constexpr const char* build_footer = R"(
The tree is not modified. What was compiled is kept (~/.cache/kmemlab), so a tree that was changed is built again
in seconds, and one that was not, not at all. docs/kernels.md tells the rest.

Examples:
  kmemlab kernel fetch
  kmemlab kernel build --config slub
  kmemlab kernel build --tree ../linux --name patched
  kmemlab replay recording.trace.zst --allocator slub,kernel:slub-6.1.192,kernel:patched)";

Command add_build(CLI::App& kernel) {
    auto options = std::make_shared<BuildOptions>();
    CLI::App* app = kernel.add_subcommand("build", "Build a kernel tree as a guest that allocators are");
    app->add_option("--tree", options->tree, "Folder of the kernel's source (default: what `fetch` brought)");
    app->add_option("--config", options->config, "Its allocator")
        ->check(CLI::IsMember({"slub", "slab", "slob"}))
        ->capture_default_str();
    app->add_option("--name", options->name, "What it is called then (default: CONFIG-RELEASE)")
        ->check(name_fault);
    app->add_option("--kconfig", options->kconfig, "CONFIG_NAME=VALUE: beyond our configuration; repeatable")
        ->allow_extra_args(false)
        ->check(kconfig_fault);
    app->add_option("--append", options->append, "Parameters it is booted with, as slub_min_objects=16");
    app->add_flag("--smp", options->smp,
                  "For several CPUs, by QEMU's emulation: decisions only (golden make)");
    app->add_option("--jobs", options->jobs, "Compilers at once (default: as many as there are CPUs)");
    app->footer(build_footer);
    return {app, [options](const Invocation&) { return run_python(words_of(*options)); }};
}

Command add_fetch(CLI::App& kernel) {
    auto version = std::make_shared<std::string>("6.1");
    CLI::App* app =
        kernel.add_subcommand("fetch", "Install Debian's package of a kernel's source, and unpack it");
    app->add_option("--version", *version, "Of linux-source-VERSION")->capture_default_str();
    return {app, [version](const Invocation&) {
                auto words = guests_words("fetch");
                words.push_back("--version=" + *version);
                return run_python(std::move(words));
            }};
}

Command add_remove(CLI::App& kernel) {
    auto names = std::make_shared<std::vector<std::string>>();
    CLI::App* app = kernel.add_subcommand("remove", "Forget kernels");
    app->add_option("NAME", *names, "Of `kmemlab kernel list`")->required()->check(name_fault);
    return {app, [names](const Invocation&) {
                auto words = guests_words("remove");
                words.insert(words.end(), names->begin(), names->end());
                return run_python(std::move(words));
            }};
}

}  // namespace

std::vector<Command> add_kernel(CLI::App& program) {
    CLI::App* kernel =
        program.add_subcommand("kernel", "Real kernels as guests, to be measured beside the models");
    kernel->require_subcommand(1);
    kernel->footer("\nExample:\n  kmemlab kernel build --help");
    CLI::App* list = kernel->add_subcommand("list", "The kernels that are built, and from what");
    return {add_fetch(*kernel),
            add_build(*kernel),
            add_remove(*kernel),
            {list, [](const Invocation&) { return run_python(guests_words("list")); }}};
}

}  // namespace kmemlab::cli
