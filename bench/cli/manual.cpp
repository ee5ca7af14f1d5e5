#include "bench/cli/manual.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "allocators/contract/registry.hpp"
#include "bench/experiments/experiment.hpp"
#include "fuzz/targets/target.hpp"

namespace kmemlab::cli {
namespace {

using Words = std::vector<std::string>;

/// Options as they are typed: "-o", "--output".
Words names_of(const CLI::Option& option) {
    Words names;
    for (const std::string& name : option.get_snames()) names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
    return names;
}

bool is_positional(const CLI::Option& option) {
    return option.get_snames().empty() && option.get_lnames().empty();
}

bool takes_value(const CLI::Option& option) {
    return option.get_items_expected_max() > 0;
}

Words allocator_names() {
    Words names;
    for_each_model([&]<class M>() { names.emplace_back(M::info.name); });
    return names;
}

/// KEY= of everything that can be set, each once.
Words tunable_keys() {
    Words keys;
    for (const std::string& name : allocator_names()) {
        for (const TunableValue& tunable : tunables_of(name)) keys.push_back(fmt::format("{}=", tunable.key));
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    return keys;
}

/// What an option may be given, if that is one of a few words: as its check says, "TEXT:{a,b}", or by what it
/// is of.
Words values_of(const CLI::App& command, const CLI::Option& option) {
    const std::string type = option.get_type_name();
    if (const std::size_t begin = type.find('{'); begin != std::string::npos)
        return CLI::detail::split(type.substr(begin + 1, type.find('}') - begin - 1), ',');
    if (option.check_lname("allocator")) return allocator_names();
    if (option.check_lname("set")) return tunable_keys();
    Words words;
    if (option.check_lname("target")) {
        for (const fuzz::Target& target : fuzz::all_targets()) words.emplace_back(target.name);
    } else if (command.get_name() == "experiment" && is_positional(option)) {
        for (const experiments::Experiment& each : experiments::experiments()) words.emplace_back(each.name);
    }
    return words;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App*) { return true; });
}

/// Calls visit(app, path): the program and all its commands, path "kmemlab trace info".
template <class Visit>
void for_each_command(const CLI::App& app, const std::string& path, Visit&& visit) {
    visit(app, path);
    for (const CLI::App* command : commands_of(app))
        for_each_command(*command, path + " " + command->get_name(), visit);
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

// --- The manual page ---

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

/// Text that troff prints as it is.
std::string roff(std::string_view text) {
    std::string safe = replaced(replaced(replaced(std::string{text}, "\\", "\\e"), "-", "\\-"), "`", "\\(ga");
    if (safe.starts_with('.') || safe.starts_with('\'')) safe.insert(0, "\\&");
    return replaced(safe, "\n.", "\n\\&.");
}

/// "--cpus TEXT", "FILE ..."; the name of what is given stands in italics.
std::string usage_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const std::string value = type.substr(0, type.find_first_of(":= "));
    const char* const more = option.get_items_expected_max() > 1 ? " ..." : "";
    if (is_positional(option)) return fmt::format("\\fI{}\\fR{}", roff(option.get_name(true)), more);
    std::string names;
    for (const std::string& name : names_of(option))
        names += fmt::format("{}\\fB{}\\fR", names.empty() ? "" : ", ", roff(name));
    return takes_value(option) ? fmt::format("{} \\fI{}\\fR{}", names, roff(value), more) : names;
}

/// What a value must be, of a type "UINT:UINT in [1 - 9]" or "TEXT:{a,b}"; mostly nothing.
std::string check_of(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const std::size_t begin = type.find_first_of("[{");
    return begin == std::string::npos ? "" : " " + type.substr(begin);
}

/// The options, then what stands below them in --help, unless it is that of the command above.
void describe(std::string& page, const CLI::App& app) {
    for (const CLI::Option* option : app.get_options()) {
        if (app.get_parent() != nullptr && option == app.get_help_ptr()) continue;  // told once, of all
        const std::string by_default = option->get_default_str();
        page += fmt::format(".TP\n{}\n{}{}{}.\n", usage_of(*option), roff(option->get_description()),
                            by_default.empty() ? "" : fmt::format(" (default: {})", roff(by_default)),
                            roff(check_of(*option)));
    }
    if (app.get_parent() != nullptr && app.get_footer() == app.get_parent()->get_footer()) return;
    const std::string footer = CLI::detail::trim_copy(app.get_footer());
    if (!footer.empty()) page += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(footer));
}

// --- Completion ---

/// Commands, and the options of one command.
Words words_of(const CLI::App& app) {
    Words words;
    for (const CLI::App* command : commands_of(app)) words.push_back(command->get_name());
    for (const CLI::Option* option : app.get_options()) {
        for (std::string& name : names_of(*option)) words.push_back(std::move(name));
    }
    return words;
}

std::string bash_completion(const CLI::App& program) {
    std::string paths;
    std::string values;
    std::string words;
    Words free;  // options of files and numbers
    for_each_command(program, program.get_name(), [&](const CLI::App& app, const std::string& path) {
        if (&app != &program) paths += fmt::format("{}'{}'", paths.empty() ? "" : " | ", path);
        Words typed = words_of(app);
        for (const CLI::Option* option : app.get_options()) {
            const Words some = values_of(app, *option);
            if (is_positional(*option)) {
                typed.insert(typed.end(), some.begin(), some.end());
            } else if (takes_value(*option)) {
                Words cases;
                for (const std::string& name : names_of(*option))
                    cases.push_back(fmt::format("'{} {}'", path, name));
                if (some.empty())
                    free.insert(free.end(), cases.begin(), cases.end());
                else
                    values += fmt::format("        {}) words='{}' ;;\n", fmt::join(cases, " | "),
                                          fmt::join(some, " "));
            }
        }
        words += fmt::format("            '{}') words='{}' ;;\n", path, fmt::join(typed, " "));
    });
    return fmt::format(R"(# Completion of {0} for bash, made by: {0} completion bash
_{0}() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path={0} before words i
    for ((i = 1; i < COMP_CWORD; ++i)); do
        case "$path ${{COMP_WORDS[i]}}" in
            {1}) path+=" ${{COMP_WORDS[i]}}" ;;
        esac
    done
    case "$path ${{COMP_WORDS[COMP_CWORD - 1]}}" in
{2}        {4}) words='' ;;
        *) case $path in
{3}        esac ;;
    esac
    before=${{cur%"${{cur##*,}}"}} # of a list, what stands already
    COMPREPLY=($(compgen -P "$before" -W "$words" -- "${{cur##*,}}"))
    [[ ${{COMPREPLY[0]-}} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}}
complete -o default -F _{0} {0}
)",
                       program.get_name(), paths, values, words, fmt::join(free, " | "));
}

std::string fish_quoted(std::string_view text) {
    return fmt::format("'{}'", replaced(replaced(std::string{text}, "\\", "\\\\"), "'", "\\'"));
}

std::string fish_completion(const CLI::App& program) {
    const std::string& name = program.get_name();
    std::string script = fmt::format("# Completion of {0} for fish, made by: {0} completion fish\n", name);
    for_each_command(program, name, [&](const CLI::App& app, const std::string& path) {
        std::string when;
        for (const std::string& command :
             CLI::detail::split(path.substr(std::min(path.size(), name.size() + 1)), ' '))
            if (!command.empty())
                when +=
                    fmt::format("{}__fish_seen_subcommand_from {}", when.empty() ? "" : "; and ", command);
        if (when.empty()) when = "__fish_use_subcommand";
        for (const CLI::App* command : commands_of(app))
            script += fmt::format("complete -c {} -f -n '{}' -a {} -d {}\n", name, when, command->get_name(),
                                  fish_quoted(command->get_description()));
        for (const CLI::Option* option : app.get_options()) {
            const Words some = values_of(app, *option);
            std::string line = fmt::format("complete -c {} -n '{}'", name, when);
            for (const std::string& letter : option->get_snames()) line += " -s " + letter;
            for (const std::string& word : option->get_lnames()) line += " -l " + word;
            if (takes_value(*option) && !is_positional(*option)) line += " -r";
            if (!some.empty()) line += fmt::format(" -f -a '{}'", fmt::join(some, " "));
            if (is_positional(*option) && some.empty()) continue;  // files, as fish does by itself
            script += fmt::format("{} -d {}\n", line, fish_quoted(option->get_description()));
        }
    });
    return script;
}

}  // namespace

std::string man_page(const CLI::App& program, std::string_view version) {
    const std::string& name = program.get_name();
    std::string page = fmt::format(
        ".\\\" Made by: {0} man-page\n.TH {1} 1 \"\" \"{2}\" \"User Commands\"\n"
        ".SH NAME\n{0} \\- {3}\n"
        ".SH SYNOPSIS\n\\fB{0}\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR ...]\n"
        ".SH DESCRIPTION\nEach command explains itself: \\fB{0} \\fICOMMAND\\fB \\-\\-help\\fR.\n",
        name, upper(name), roff(version), roff(program.get_description()));
    for_each_command(program, name, [&](const CLI::App& app, const std::string& path) {
        if (&app == &program) {
            page += ".SH OPTIONS\n";
        } else {
            std::string given;
            for (const CLI::Option* option : app.get_options()) {
                if (is_positional(*option)) given += " " + usage_of(*option);
            }
            page += fmt::format(".SH COMMAND {}\n{}.\n.PP\n\\fB{}\\fR [\\fIOPTION\\fR ...]{}\n",
                                roff(upper(path.substr(name.size() + 1))), roff(app.get_description()), path,
                                given);
        }
        describe(page, app);
    });
    page += fmt::format(
        ".SH EXIT STATUS\n.TP\n0\nDone.\n.TP\n1\nAn allocator broke a law, differs from a kernel, or is "
        "slower "
        "where that was asked.\n.TP\n2\nThe input cannot be used; one line says "
        "why.\n.TP\n130\nInterrupted.\n");
    return page;
}

std::string completion(const CLI::App& program, Shell shell) {
    switch (shell) {
        case Shell::bash:
            return bash_completion(program);
        case Shell::zsh:
            return fmt::format("#compdef {}\nautoload -U +X bashcompinit && bashcompinit\n{}",
                               program.get_name(), bash_completion(program));
        case Shell::fish:
            return fish_completion(program);
    }
    return {};
}

}  // namespace kmemlab::cli
