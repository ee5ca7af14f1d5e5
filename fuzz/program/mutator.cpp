#include "fuzz/program/mutator.hpp"

#include <algorithm>
#include <bit>

namespace kmemlab::fuzz {
namespace {

/// Sizes where something changes: classes of kmalloc, pages, orders, and where arithmetic may wrap.
constexpr std::array<std::uint32_t, 35> edge_sizes{
    8,    16,   32,   64,    96,    128,   192,     256,        512,        1024,       2048,       4096,
    8192, 8193, 4097, 12288, 16384, 32768, 65536,   131072,     262144,     1048576,    2097152,    4194304,
    1,    7,    0,    40,    255,   3000,  4194305, 0x7fffffff, 0xffffffff, 0xffff0000, 0xfffe0040,
};

std::uint32_t random_size(Random& random) {
    switch (random.below(8)) {
        case 0:
        case 1:
        case 2:
            return edge_sizes[random.below(edge_sizes.size())];
        case 3:
            return edge_sizes[random.below(16)] + static_cast<std::uint32_t>(random.below(3)) - 1;
        case 4:
            return static_cast<std::uint32_t>(random.below(20000));
        default:
            return static_cast<std::uint32_t>(random.below(1024));
    }
}

std::uint8_t byte(Random& random, std::uint64_t below) {
    return static_cast<std::uint8_t>(random.below(below));
}

/// Small counts mostly; now and then one that fills arrays.
std::uint8_t random_count(Random& random) {
    return random.one_in(12) ? byte(random, 256) : random.one_in(6) ? byte(random, 64) : byte(random, 8);
}

void random_strike(Operation& op, Random& random) {
    op.strike_at = static_cast<std::uint8_t>(1 + random.below(random.one_in(3) ? 12 : 3));
    op.strike_count = static_cast<std::uint8_t>(1 + random.below(4));
}

OpKind random_kind(OpSet set, Random& random) {
    auto skip = random.below(static_cast<std::uint64_t>(std::popcount(set)));
    for (const OpInfo& info : op_infos) {
        if ((set & bit(info.kind)) != 0 && skip-- == 0) return info.kind;
    }
    return OpKind::walk;
}

constexpr OpSet misuses =
    op_set(OpKind::misuse_overwrite, OpKind::misuse_use_freed, OpKind::misuse_twice, OpKind::misuse_inside,
           OpKind::misuse_foreign, OpKind::misuse_cache, OpKind::misuse_order);
/// Operations that end a program, empty the machine or look at all of it are drawn less often.
constexpr OpSet rare =
    misuses | op_set(OpKind::drain, OpKind::walk, OpKind::damage, OpKind::pages_fill, OpKind::shrink,
                     OpKind::cache_destroy, OpKind::unreserve, OpKind::fail);

Setup random_setup(const Language& language, Random& random) {
    Setup setup{.cpus = byte(random, 4),
                .arena = random.one_in(2) ? std::uint8_t{0} : byte(random, 4),
                .start = byte(random, 8),
                .layout = byte(random, 7),
                .walk = byte(random, 4)};
    if (!random.one_in(3)) {
        // Swarm: half of the kinds, so that what remains comes often enough to fill things up.
        setup.features = random.next() & language.operations;
    }
    for (std::size_t i = 0; i < language.knobs.size(); ++i) {
        if (random.one_in(3)) setup.knobs[i] = byte(random, language.knobs[i].values.size() + 1);
    }
    return setup;
}

void change_setup(Setup& setup, const Language& language, Random& random) {
    const Setup other = random_setup(language, random);
    switch (random.below(8)) {
        case 0:
            setup.cpus = other.cpus;
            break;
        case 1:
            setup.arena = other.arena;
            break;
        case 2:
            setup.start = other.start;
            break;
        case 3:
            setup.layout = other.layout;
            break;
        case 4:
            setup.walk = other.walk;
            break;
        case 5:
            setup.features = other.features;
            break;
        default:
            if (!language.knobs.empty()) {
                const std::size_t i = random.below(language.knobs.size());
                setup.knobs[i] = byte(random, language.knobs[i].values.size() + 1);
            }
    }
}

void change_number(Operation& op, const std::vector<Operation>& all, Random& random) {
    const Operation& other = all[random.below(all.size())];
    switch (random.below(9)) {
        case 0:
            op.cpu = byte(random, 4);
            break;
        case 1:
            op.slot = random.one_in(2) ? other.slot : byte(random, slot_count);
            break;
        case 2:
            op.gfp = random.one_in(2) ? other.gfp : byte(random, gfp_choices.size());
            break;
        case 3:
            op.size = random.one_in(3) ? other.size : random_size(random);
            break;
        case 4:
            op.size += static_cast<std::uint32_t>(random.below(3)) - 1;
            break;
        case 5:
            op.count = random.one_in(3) ? other.count : random_count(random);
            break;
        case 6:
            op.align = random.one_in(2) ? other.align : byte(random, 16);
            break;
        case 7:
            random_strike(op, random);
            break;
        default:
            op.strike_at = op.strike_count = 0;
    }
}

/// A piece of `from`, at most `most` long.
std::span<const Operation> random_piece(std::span<const Operation> from, Random& random, std::size_t most) {
    if (from.empty()) return {};
    const std::size_t begin = random.below(from.size());
    const std::size_t length = 1 + random.below(std::min(most, from.size() - begin));
    return from.subspan(begin, length);
}

void insert(std::vector<Operation>& into, std::size_t at, std::span<const Operation> piece) {
    const std::vector<Operation> copy{piece.begin(), piece.end()};
    into.insert(into.begin() + static_cast<std::ptrdiff_t>(at), copy.begin(), copy.end());
}

/// Leaves at most `most` of them, and mostly few, here 16 and there 64: short programs reach most of what
/// long ones do, in a fraction of the time. What goes are pieces from anywhere.
void shorten(std::vector<Operation>& all, Random& random, std::size_t most) {
    const std::size_t few = 16 + random.below(49);
    if (!random.one_in(8)) most = std::min(most, few);
    while (all.size() > most) {
        const std::size_t at = random.below(all.size());
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
        all.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(all.size() - at, all.size() - most)));
    }
}

void change_operations(Program& program, const Language& language, Random& random) {
    auto& all = program.operations;
    const std::size_t at = random.below(all.size());
    const auto where = all.begin() + static_cast<std::ptrdiff_t>(at);
    switch (random.below(11)) {
        case 0:
        case 1:
            for (std::uint64_t n = 1 + random.below(8); n > 0; --n) {
                insert(all, at, std::array{random_operation(program.setup, language, random)});
            }
            break;
        case 2: {
            const std::size_t length = 1 + random.below(std::min<std::size_t>(all.size() - at, 8));
            all.erase(where, where + static_cast<std::ptrdiff_t>(length));
            break;
        }
        case 3:  // the same again, several times
            for (std::uint64_t n = 1 + random.below(16); n > 0; --n) insert(all, at, std::array{all[at]});
            break;
        case 4:
            insert(all, random.below(all.size() + 1), random_piece(all, random, 24));
            break;
        case 5:
            std::swap(*where, all[random.below(all.size())]);
            break;
        case 6:
            if (const auto inverse = info_of(where->kind).inverse;
                inverse && (language.operations & bit(*inverse)) != 0) {
                Operation undo = *where;
                undo.kind = *inverse;
                undo.cpu = random.one_in(2) ? undo.cpu : byte(random, 4);
                undo.strike_at = undo.strike_count = 0;
                insert(all, at + 1 + random.below(all.size() - at), std::array{undo});
            }
            break;
        case 7:
            *where = random_operation(program.setup, language, random);
            break;
        case 8:  // one of the requests for pages that follow is refused
            if ((language.operations & bit(OpKind::fail)) != 0) {
                insert(all, at,
                       std::array{Operation{.kind = OpKind::fail, .size = 1, .count = byte(random, 4)}});
            }
            break;
        default:
            change_number(*where, all, random);
    }
}

}  // namespace

Operation random_operation(const Setup& setup, const Language& language, Random& random) {
    const OpSet chosen = setup.features & language.operations;
    const OpSet set = chosen != 0 && !random.one_in(16) ? chosen : language.operations;
    const OpSet common = set & ~rare;
    Operation op;
    op.kind = random_kind(common == 0 || random.one_in(24) ? set : common, random);
    op.cpu = byte(random, 4);
    op.slot = byte(random, slot_count);
    op.gfp = random.one_in(3) ? byte(random, gfp_choices.size()) : std::uint8_t{0};
    op.size = random_size(random);
    op.count = op.kind == OpKind::damage ? byte(random, 256) : random_count(random);
    op.align = random.one_in(2) ? std::uint8_t{0} : byte(random, 16);
    if (random.one_in(4)) random_strike(op, random);
    return op;
}

Program random_program(const Language& language, Random& random, std::size_t operations) {
    Program program{.setup = random_setup(language, random), .operations = {}};
    for (std::size_t i = 0; i < operations; ++i) {
        program.operations.push_back(random_operation(program.setup, language, random));
    }
    return program;
}

void mutate(Program& program, const Language& language, Random& random, std::size_t most) {
    if (random.one_in(24))
        program = random_program(language, random, 1 + random.below(std::min<std::size_t>(most, 200)));
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
        if (random.one_in(8)) change_setup(program.setup, language, random);
        if (program.operations.empty())
            program.operations.push_back(random_operation(program.setup, language, random));
        change_operations(program, language, random);
    }
    shorten(program.operations, random, most);
}

Program cross(const Program& a, const Program& b, Random& random, std::size_t most) {
    Program child{.setup = random.one_in(2) ? a.setup : b.setup, .operations = a.operations};
    if (random.one_in(2)) child.operations.resize(random.below(a.operations.size() + 1));
    insert(child.operations, random.below(child.operations.size() + 1),
           random_piece(b.operations, random, b.operations.size()));
    shorten(child.operations, random, most);
    return child;
}

}  // namespace kmemlab::fuzz
