/// One program on every model of the registry that allocates from memory of its own: who fails when, where
/// what lies, how much of it may be used, what is in it (G10).
///
/// Each operation is performed on all of them, by the Allocator contract alone; what differs between them is
/// asked of their capabilities. A null is judged (M1, G10) if another succeeded: it breaks the law if by the
/// model's own account three quarters of what it asks for, and of what it then leaves, were free in one
/// piece.
#pragma once

#include <string>
#include <vector>

#include "allocators/contract/any_allocator.hpp"
#include "fuzz/machines/live_memory.hpp"
#include "fuzz/machines/machine.hpp"

namespace kmemlab::fuzz {

class DifferentialMachine final : public Machine {
  public:
    DifferentialMachine(const Setup& setup, const Language& language);

    void perform(const Operation& op) override;
    [[nodiscard]] MaybeViolation find_violation() override;
    void tear_down() override;
    [[nodiscard]] std::string describe() const override;

  private:
    /// An allocator, and what free memory it began with.
    struct Model {
        AnyAllocator allocator;
        FreeBlocks at_begin;
    };
    /// What one call got, of each model; who failed has an object without memory.
    using Row = std::vector<Object>;
    struct Item {
        std::vector<Row> rows;
        [[nodiscard]] bool empty() const { return rows.empty(); }
    };

    [[nodiscard]] Request request_of(const Operation& op) const;
    void allocate(const Operation& op, std::size_t count);
    void resize(Item& item, const Operation& op);
    void release(Item& item, std::size_t most, CpuId cpu);
    /// Asks all of them; false: a law is broken.
    [[nodiscard]] bool take(const Request& request, Row& row);
    void adopt(const Request& request, const Model& model, Object& object);
    void give(Object& object, AnyAllocator& allocator, CpuId cpu);
    void keep(Item item, const Operation& op);
    [[nodiscard]] bool had_memory(const Model& model, const Request& request) const;

    std::size_t arena_bytes_;
    unsigned cpus_;
    std::vector<Model> models_;
    LiveMemory<oracle::Ranges> live_;
    Slots<Item> slots_;
};

}  // namespace kmemlab::fuzz
