/// How each kind of contestant is called: one indirect call of an out-of-line function to allocate, one to
/// release. Every type here has take() -> void* (null: no memory) and put(void*).
#pragma once

#include <cstddef>
#include <optional>

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
[[gnu::noinline]] void* floor_take(FreeList& list);
[[gnu::noinline]] void floor_put(FreeList& list, void* p);

class FloorCall {
  public:
    explicit FloorCall(FreeList& list) : list_{&list} {}
    [[nodiscard]] void* take() const { return take_(*list_); }
    void put(void* p) const { put_(*list_, p); }

  private:
    FreeList* list_;
    void* (*take_)(FreeList&) = laundered(&floor_take);
    void (*put_)(FreeList&, void*) = laundered(&floor_put);
};

/// The same list, bare: popped and pushed where it is used, without a call.
class BareFloorCall {
  public:
    explicit BareFloorCall(FreeList& list) : list_{&list} {}
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

template <class M>
[[gnu::noinline]] void* out_of_line_cache_alloc(M& model, typename M::Cache& cache, Gfp gfp, CpuId cpu) {
    return model.kmem_cache_alloc(cache, gfp, cpu);
}
template <class M>
[[gnu::noinline]] void out_of_line_cache_free(M& model, typename M::Cache& cache, void* p, CpuId cpu) {
    model.kmem_cache_free(cache, p, cpu);
}

/// kmem_cache_alloc and kmem_cache_free of one cache, on CPU 0.
template <ObjectCaches M>
class CacheCall {
  public:
    using Cache = typename M::Cache;
    CacheCall(M& model, Cache& cache) : model_{&model}, cache_{&cache} {}
    [[nodiscard]] void* take() const { return take_(*model_, *cache_, GFP_KERNEL, CpuId{0}); }
    void put(void* p) const { put_(*model_, *cache_, p, CpuId{0}); }

  private:
    M* model_;
    Cache* cache_;
    void* (*take_)(M&, Cache&, Gfp, CpuId) = laundered(&out_of_line_cache_alloc<M>);
    void (*put_)(M&, Cache&, void*, CpuId) = laundered(&out_of_line_cache_free<M>);
};

/// The same, compiled into the loop: what a program that includes our headers gets.
template <ObjectCaches M>
class InlineCacheCall {
  public:
    using Cache = typename M::Cache;
    InlineCacheCall(M& model, Cache& cache) : model_{&model}, cache_{&cache} {}
    [[nodiscard]] void* take() const { return model_->kmem_cache_alloc(*cache_, GFP_KERNEL, CpuId{0}); }
    void put(void* p) const { model_->kmem_cache_free(*cache_, p, CpuId{0}); }

  private:
    M* model_;
    Cache* cache_;
};

template <class M>
[[gnu::noinline]] void* out_of_line_allocate(M& model, std::size_t size, Gfp gfp, CpuId cpu) {
    return model.allocate({.size = size, .gfp = gfp, .align = 0, .cpu = cpu});
}
template <class M>
[[gnu::noinline]] void out_of_line_deallocate(M& model, void* p, CpuId cpu) {
    model.deallocate(p, cpu);
}

/// kmalloc and kfree, as the contract names them, on CPU 0.
template <Allocator M>
class KmallocCall {
  public:
    KmallocCall(M& model, std::size_t size) : model_{&model}, size_{size} {}
    [[nodiscard]] void* take() const { return take_(*model_, size_, GFP_KERNEL, CpuId{0}); }
    void put(void* p) const { put_(*model_, p, CpuId{0}); }

  private:
    M* model_;
    std::size_t size_;
    void* (*take_)(M&, std::size_t, Gfp, CpuId) = laundered(&out_of_line_allocate<M>);
    void (*put_)(M&, void*, CpuId) = laundered(&out_of_line_deallocate<M>);
};

template <class M>
[[gnu::noinline]] std::optional<Pfn> out_of_line_pages_take(M& model, Order order, Gfp gfp, CpuId cpu) {
    return model.take(order, gfp, cpu);
}
template <class M>
[[gnu::noinline]] void out_of_line_pages_give(M& model, Pfn pfn, Order order, CpuId cpu) {
    model.give(pfn, order, cpu);
}

/// alloc_pages and free_pages, on CPU 0; the address of a frame is arithmetic, and so is its way back.
template <PageSource M>
class PagesCall {
  public:
    PagesCall(M& model, Order order) : model_{&model}, order_{order} {}
    [[nodiscard]] void* take() const {
        const std::optional<Pfn> pfn = take_(*model_, order_, GFP_KERNEL, CpuId{0});
        return pfn ? model_->arena().address(*pfn) : nullptr;
    }
    void put(void* p) const { give_(*model_, model_->arena().pfn(p), order_, CpuId{0}); }

  private:
    M* model_;
    Order order_;
    std::optional<Pfn> (*take_)(M&, Order, Gfp, CpuId) = laundered(&out_of_line_pages_take<M>);
    void (*give_)(M&, Pfn, Order, CpuId) = laundered(&out_of_line_pages_give<M>);
};

/// The same, compiled into the loop.
template <PageSource M>
class InlinePagesCall {
  public:
    InlinePagesCall(M& model, Order order) : model_{&model}, order_{order} {}
    [[nodiscard]] void* take() const {
        const std::optional<Pfn> pfn = model_->take(order_, GFP_KERNEL, CpuId{0});
        return pfn ? model_->arena().address(*pfn) : nullptr;
    }
    void put(void* p) const { model_->give(model_->arena().pfn(p), order_, CpuId{0}); }

  private:
    M* model_;
    Order order_;
};

}  // namespace kmemlab::peers
