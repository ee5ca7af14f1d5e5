// The concepts constrain: a type that lacks one clause does not model them. All of this is checked by the
// compiler; the test case is there to be counted.
#include <catch2/catch.hpp>

#include "allocators/contract/registry.hpp"
#include "tests/support/page_sources.hpp"

using namespace kmemlab;

namespace {

/// The least Allocator that there is.
struct Least {
    void* allocate(const Request&) { return nullptr; }
    void deallocate(void*, CpuId) {}
    [[nodiscard]] std::size_t usable_size(void*) const { return 0; }
    [[nodiscard]] AllocatorStats stats() const { return {}; }
    Path last_path(CpuId) { return Path::opaque; }
    void drain(CpuId) {}
    [[nodiscard]] MaybeViolation find_violation() const { return {}; }
    [[nodiscard]] std::vector<Text> snapshot() const { return {}; }
    [[nodiscard]] FreeBlocks free_blocks() const { return {}; }
};
static_assert(Allocator<Least>);

// Each hides one member by another that does not do.
struct AllocatesBySize : Least {
    void* allocate(std::size_t) { return nullptr; }
};
struct AllocatesBytes : Least {
    std::byte* allocate(const Request&) { return nullptr; }
};
struct DeallocatesAnywhere : Least {
    void deallocate(void*) {}
};
struct DeallocatesWithResult : Least {
    bool deallocate(void*, CpuId) { return true; }
};
struct SizesUnlessConst : Least {
    std::size_t usable_size(void*) { return 0; }
};
struct CountsUnlessConst : Least {
    AllocatorStats stats() { return {}; }
};
struct NamesItsPath : Least {
    std::string last_path(CpuId) { return {}; }
};
struct DrainsWithoutCpu : Least {
    void drain() {}
};
struct ChecksWithBool : Least {
    [[nodiscard]] bool find_violation() const { return false; }
};
struct ShowsOneText : Least {
    [[nodiscard]] Text snapshot() const { return {}; }
};
struct CountsFreePages : Least {
    [[nodiscard]] std::uint64_t free_blocks() const { return 0; }
};
static_assert(!Allocator<AllocatesBySize>);
static_assert(!Allocator<AllocatesBytes>);
static_assert(!Allocator<DeallocatesAnywhere>);
static_assert(!Allocator<DeallocatesWithResult>);
static_assert(!Allocator<SizesUnlessConst>);
static_assert(!Allocator<CountsUnlessConst>);
static_assert(!Allocator<NamesItsPath>);
static_assert(!Allocator<DrainsWithoutCpu>);
static_assert(!Allocator<ChecksWithBool>);
static_assert(!Allocator<ShowsOneText>);
static_assert(!Allocator<CountsFreePages>);
static_assert(!Allocator<int>);
static_assert(!Allocator<test::BumpPages>);

struct LeastCaches {
    struct Cache {};
    Cache* kmem_cache_create(const CacheDescription&) { return nullptr; }
    bool kmem_cache_destroy(Cache&, CpuId) { return true; }
    void* kmem_cache_alloc(Cache&, Gfp, CpuId) { return nullptr; }
    void kmem_cache_free(Cache&, void*, CpuId) {}
    std::size_t kmem_cache_alloc_bulk(Cache&, Gfp, std::span<void*>, CpuId) { return 0; }
    void kmem_cache_free_bulk(Cache&, std::span<void*>, CpuId) {}
    bool kmem_cache_shrink(Cache&, CpuId) { return false; }
};
static_assert(ObjectCaches<LeastCaches>);

struct WithoutCacheType {
    void* kmem_cache_alloc(int&, Gfp, CpuId) { return nullptr; }
};
struct CreatesByValue : LeastCaches {
    Cache kmem_cache_create(const CacheDescription&) { return {}; }
};
struct DestroysSilently : LeastCaches {
    void kmem_cache_destroy(Cache&, CpuId) {}
};
struct AllocatesWithoutGfp : LeastCaches {
    void* kmem_cache_alloc(Cache&, CpuId) { return nullptr; }
};
struct FreesWithoutCache : LeastCaches {
    void kmem_cache_free(void*, CpuId) {}
};
struct BulkWithBool : LeastCaches {
    bool kmem_cache_alloc_bulk(Cache&, Gfp, std::span<void*>, CpuId) { return true; }
};
struct BulkFreesConst : LeastCaches {
    std::size_t kmem_cache_free_bulk(Cache&, std::span<void*>, CpuId) { return 0; }
};
struct ShrinksSilently : LeastCaches {
    void kmem_cache_shrink(Cache&, CpuId) {}
};
static_assert(!ObjectCaches<WithoutCacheType>);
static_assert(!ObjectCaches<CreatesByValue>);
static_assert(!ObjectCaches<DestroysSilently>);
static_assert(!ObjectCaches<AllocatesWithoutGfp>);
static_assert(!ObjectCaches<FreesWithoutCache>);
static_assert(!ObjectCaches<BulkWithBool>);
static_assert(!ObjectCaches<BulkFreesConst>);
static_assert(!ObjectCaches<ShrinksSilently>);
static_assert(!ObjectCaches<Least>);

struct LeastPages {
    std::optional<Pfn> take(Order, Gfp, CpuId) { return {}; }
    void give(Pfn, Order, CpuId) {}
    Arena& arena();
};
static_assert(PageSource<LeastPages>);

struct TakesAddresses : LeastPages {
    void* take(Order, Gfp, CpuId) { return nullptr; }
};
struct TakesWithoutCpu : LeastPages {
    std::optional<Pfn> take(Order, Gfp) { return {}; }
};
struct GivesWithoutOrder : LeastPages {
    void give(Pfn, CpuId) {}
};
struct HidesItsArena : LeastPages {
    [[nodiscard]] const Arena& arena() const;
};
static_assert(!PageSource<TakesAddresses>);
static_assert(!PageSource<TakesWithoutCpu>);
static_assert(!PageSource<GivesWithoutOrder>);
static_assert(!PageSource<HidesItsArena>);
static_assert(!PageSource<Least>);

constexpr ModelInfo info_with(bool caches, bool pages) {
    ModelInfo info;
    info.capabilities.object_caches = caches;
    info.capabilities.pages = pages;
    return info;
}

struct LeastModel : Least {
    static constexpr ModelInfo info = info_with(false, false);
    struct Config {
        std::vector<Tunable> tunables() { return {}; }
    };
    explicit LeastModel(const Config&) {}
};
static_assert(Model<LeastModel>);

struct WithoutInfo : Least {
    using Config = LeastModel::Config;
    explicit WithoutInfo(const Config&) {}
};
struct WithoutConfig : Least {
    static constexpr ModelInfo info = info_with(false, false);
};
struct NotBuiltFromConfig : Least {
    static constexpr ModelInfo info = info_with(false, false);
    using Config = LeastModel::Config;
};
struct WithoutTunables : Least {
    static constexpr ModelInfo info = info_with(false, false);
    struct Config {};
    explicit WithoutTunables(const Config&) {}
};
struct BoastsOfCaches : LeastModel {
    using LeastModel::LeastModel;
    static constexpr ModelInfo info = info_with(true, false);
};
struct BoastsOfPages : LeastModel {
    using LeastModel::LeastModel;
    static constexpr ModelInfo info = info_with(false, true);
};
struct HidesItsCaches : LeastModel, LeastCaches {
    using LeastModel::LeastModel;
};
struct NoAllocator {
    static constexpr ModelInfo info = info_with(false, false);
    using Config = LeastModel::Config;
    explicit NoAllocator(const Config&) {}
};
// What would be unused if the concepts asked for less.
static_assert(WithoutConfig::info.name == NotBuiltFromConfig::info.name);
static_assert(WithoutTunables::info.name == NoAllocator::info.name);

static_assert(!Model<WithoutInfo>);
static_assert(!Model<WithoutConfig>);
static_assert(!Model<NotBuiltFromConfig>);
static_assert(!Model<WithoutTunables>);
static_assert(!Model<BoastsOfCaches>);
static_assert(!Model<BoastsOfPages>);
static_assert(!Model<HidesItsCaches>);
static_assert(!Model<NoAllocator>);
static_assert(!Model<AnyAllocator>);

}  // namespace

TEST_CASE("a type of one's own that models the concepts can be used as any other") {
    AnyAllocator least = AnyAllocator::of<LeastModel>({});
    CHECK(least.allocate({.size = 1}) == nullptr);
    CHECK(least.last_path(CpuId{0}) == Path::opaque);
    CHECK_FALSE(least.find_violation());
}
