/// How each kind of contestant is called, as its user calls it: a library's malloc by the pointer that the
/// library exports, ours by its header, compiled into the loop (always: a compiler tires of it in a file this
/// full). ThroughPointer puts an out-of-line function between for whoever asks what that costs. Every type
/// here has take() -> void* (null: no memory) and put(void*).
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include "allocators/buddy/buddy.hpp"
#include "allocators/contract/model.hpp"
#include "bench/peers/peer_library.hpp"

namespace kmemlab::peers {

/// The compiler forgets what it knows about a value, so that it cannot call a function directly.
template <class T>
[[nodiscard]] T laundered(T value) {
    asm volatile("" : "+r"(value));
    return value;
}

class MallocCall {
  public:
    MallocCall(const PeerLibrary& library, std::size_t size)
        : malloc_{laundered(library.malloc)}, free_{laundered(library.free)}, size_{size} {}
    [[nodiscard]] void* take() const { return malloc_(size_); }
    void put(void* p) const { free_(p); }

  private:
    PeerLibrary::Malloc malloc_;
    PeerLibrary::Free free_;
    std::size_t size_;
};

/// The least that an allocator can do: pop and push on a thread's own list of free objects.
struct FreeList {
    struct Node {
        Node* next;
    };
    Node* head = nullptr;
};

class FloorCall {
  public:
    explicit FloorCall(FreeList& list) : list_{&list} {}
    [[nodiscard]] void* take() const {
        FreeList::Node* node = list_->head;
        if (node != nullptr) list_->head = node->next;
        return node;
    }
    void put(void* p) const {
        auto* node = static_cast<FreeList::Node*>(p);
        node->next = list_->head;
        list_->head = node;
    }

  private:
    FreeList* list_;
};

/// kmem_cache_alloc and kmem_cache_free of one cache, on CPU 0.
template <ObjectCaches M>
class CacheCall {
  public:
    using Cache = typename M::Cache;
    CacheCall(M& model, Cache& cache) : model_{&model}, cache_{&cache} {}
    [[nodiscard, gnu::always_inline]] void* take() const {
        return model_->kmem_cache_alloc(*cache_, GFP_KERNEL, CpuId{0});
    }
    [[gnu::always_inline]] void put(void* p) const { model_->kmem_cache_free(*cache_, p, CpuId{0}); }
    /// All of `objects`, or none, which are null then.
    void take_all(std::span<void*> objects) const {
        if (model_->kmem_cache_alloc_bulk(*cache_, GFP_KERNEL, objects, CpuId{0}) != objects.size())
            std::fill(objects.begin(), objects.end(), nullptr);
    }
    void put_all(std::span<void*> objects) const { model_->kmem_cache_free_bulk(*cache_, objects, CpuId{0}); }

  private:
    M* model_;
    Cache* cache_;
};

/// kmalloc and kfree, as the contract names them, on CPU 0.
template <Allocator M>
class KmallocCall {
  public:
    KmallocCall(M& model, std::size_t size) : model_{&model}, size_{laundered(size)} {}
    [[nodiscard, gnu::always_inline]] void* take() const { return model_->allocate({.size = size_}); }
    [[gnu::always_inline]] void put(void* p) const { model_->deallocate(p, CpuId{0}); }

  private:
    M* model_;
    std::size_t size_;
};

/// kmalloc of a size that the compiler knows.
template <Allocator M, std::size_t size>
class ConstantCall {
  public:
    explicit ConstantCall(M& model) : model_{&model} {}
    [[nodiscard, gnu::always_inline]] void* take() const { return model_->allocate({.size = size}); }
    [[gnu::always_inline]] void put(void* p) const { model_->deallocate(p, CpuId{0}); }

  private:
    M* model_;
};

/// __get_free_pages and free_pages of one order, on CPU 0; of a page source without these, take and give,
/// with the arithmetic from a frame to its address and back.
template <PageSource M, unsigned page_order = 0>
class PageCall {
  public:
    explicit PageCall(M& model) : model_{&model} {}
    [[nodiscard, gnu::always_inline]] void* take() const {
        if constexpr (kernel_calls) return model_->buddy().__get_free_pages(GFP_KERNEL, order, CpuId{0});
        const std::optional<Pfn> pfn = model_->take(order, GFP_KERNEL, CpuId{0});
        return pfn ? model_->arena().address(*pfn) : nullptr;
    }
    [[gnu::always_inline]] void put(void* p) const {
        if constexpr (kernel_calls) return model_->buddy().free_pages(p, order, CpuId{0});
        model_->give(model_->arena().pfn(p), order, CpuId{0});
    }

  private:
    static constexpr Order order{page_order};
    static constexpr bool kernel_calls = requires(M & model) { model.buddy(); };

    M* model_;
};

/// alloc_pages and __free_pages, on CPU 0: the frame's descriptor, without its memory.
class FrameCall {
  public:
    FrameCall(Buddy<OwnedCpus>& buddy, Order order) : buddy_{&buddy}, order_{order} {}
    [[nodiscard, gnu::always_inline]] Page* take() const {
        return buddy_->alloc_pages(GFP_KERNEL, order_, CpuId{0});
    }
    [[gnu::always_inline]] void put(Page* frame) const { buddy_->__free_pages(frame, order_, CpuId{0}); }

  private:
    Buddy<OwnedCpus>* buddy_;
    Order order_;
};

/// Any of these behind two functions that the compiler can neither see into nor inline.
template <class Call>
class ThroughPointer {
  public:
    explicit ThroughPointer(Call call) : call_{call} {}
    [[nodiscard]] void* take() const { return take_(call_); }
    void put(void* p) const { put_(call_, p); }

  private:
    [[gnu::noinline]] static void* out_of_line_take(const Call& call) { return call.take(); }
    [[gnu::noinline]] static void out_of_line_put(const Call& call, void* p) { call.put(p); }

    Call call_;
    void* (*take_)(const Call&) = laundered(&out_of_line_take);
    void (*put_)(const Call&, void*) = laundered(&out_of_line_put);
};

}  // namespace kmemlab::peers
