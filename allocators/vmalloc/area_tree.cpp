#include "allocators/vmalloc/area_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kmemlab {
namespace {

/// No red-black tree of fewer than 2^64 nodes is deeper.
constexpr unsigned deepest = 128;

std::uint64_t largest_of(const VmapArea* area) {
    return area == nullptr ? 0 : area->largest;
}
bool is_red(const VmapArea* area) {
    return area != nullptr && area->red;
}
VmapArea* leftmost(VmapArea* area) {
    while (area != nullptr && area->left != nullptr) area = area->left;
    return area;
}
VmapArea* rightmost(VmapArea* area) {
    while (area != nullptr && area->right != nullptr) area = area->right;
    return area;
}

}  // namespace

// ---- order -------------------------------------------------------------------------------------------

VmapArea* AreaTree::first() const {
    return leftmost(root_);
}
VmapArea* AreaTree::last() const {
    return rightmost(root_);
}

VmapArea* AreaTree::next(const VmapArea* area) {
    if (area->right != nullptr) return leftmost(area->right);
    while (area->parent != nullptr && area->parent->right == area) area = area->parent;
    return area->parent;
}
VmapArea* AreaTree::previous(const VmapArea* area) {
    if (area->left != nullptr) return rightmost(area->left);
    while (area->parent != nullptr && area->parent->left == area) area = area->parent;
    return area->parent;
}

VmapArea* AreaTree::find(std::uint64_t address) const {
    VmapArea* area = root_;
    while (area != nullptr && (address < area->start || address >= area->end)) {
        area = address < area->start ? area->left : area->right;
    }
    return area;
}

VmapArea* AreaTree::first_from(std::uint64_t address) const {
    VmapArea* found = nullptr;
    for (VmapArea* area = root_; area != nullptr;) {
        if (area->start >= address) found = area;
        area = area->start >= address ? area->left : area->right;
    }
    return found;
}

// ---- sizes of subtrees -------------------------------------------------------------------------------

void AreaTree::update(VmapArea* area) {
    area->largest = std::max({area->size(), largest_of(area->left), largest_of(area->right)});
}

void AreaTree::update_upwards(VmapArea* area) {
    for (; area != nullptr; area = area->parent) {
        const std::uint64_t before = area->largest;
        update(area);
        if (area->largest == before) return;
    }
}

void AreaTree::resize(VmapArea* area, std::uint64_t start, std::uint64_t end) {
    area->start = start;
    area->end = end;
    update_upwards(area);
}

// ---- the textbook's red-black tree (VM-23) -----------------------------------------------------------

void AreaTree::replace_child(VmapArea* parent, VmapArea* old_child, VmapArea* new_child) {
    if (parent == nullptr) {
        root_ = new_child;
    } else {
        (parent->left == old_child ? parent->left : parent->right) = new_child;
    }
    if (new_child != nullptr) new_child->parent = parent;
}

/// The right child (to_left) or the left one comes up; `up` becomes its child.
void AreaTree::rotate(VmapArea* up, bool to_left) {
    VmapArea* const child = to_left ? up->right : up->left;
    VmapArea*& given = to_left ? child->left : child->right;
    VmapArea*& place = to_left ? up->right : up->left;
    replace_child(up->parent, up, child);
    place = given;
    if (given != nullptr) given->parent = up;
    given = up;
    up->parent = child;
    update(up);
    update(child);
}

void AreaTree::insert(VmapArea* area) {
    VmapArea* parent = nullptr;
    VmapArea** link = &root_;
    while (*link != nullptr) {
        parent = *link;
        link = area->start < parent->start ? &parent->left : &parent->right;
    }
    *link = area;
    area->parent = parent;
    area->left = nullptr;
    area->right = nullptr;
    area->red = true;
    area->largest = area->size();
    ++count_;
    update_upwards(parent);
    repair_insert(area);
}

void AreaTree::repair_insert(VmapArea* area) {
    while (is_red(area->parent)) {
        VmapArea* parent = area->parent;
        VmapArea* const grandparent = parent->parent;
        const bool is_left = parent == grandparent->left;
        VmapArea* const uncle = is_left ? grandparent->right : grandparent->left;
        if (is_red(uncle)) {
            parent->red = uncle->red = false;
            grandparent->red = true;
            area = grandparent;
            continue;
        }
        if (area == (is_left ? parent->right : parent->left)) {
            rotate(parent, is_left);
            std::swap(area, parent);
        }
        parent->red = false;
        grandparent->red = true;
        rotate(grandparent, !is_left);
    }
    root_->red = false;
}

void AreaTree::remove(VmapArea* area) {
    --count_;
    VmapArea* child = area->right;
    VmapArea* parent = area->parent;
    bool removed_black = !area->red;
    if (area->left == nullptr) {
        replace_child(parent, area, child);
    } else if (area->right == nullptr) {
        child = area->left;
        replace_child(parent, area, child);
    } else {
        VmapArea* const successor = leftmost(area->right);
        child = successor->right;
        removed_black = !successor->red;
        parent = successor;
        if (successor->parent != area) {
            parent = successor->parent;
            replace_child(parent, successor, child);
            successor->right = area->right;
            successor->right->parent = successor;
        }
        successor->left = area->left;
        successor->left->parent = successor;
        successor->red = area->red;
        replace_child(area->parent, area, successor);
        // What changed lies between the place that the successor left and the one that it took.
        for (VmapArea* up = parent; up != successor; up = up->parent) update(up);
        update(successor);
        update_upwards(successor->parent);
    }
    update_upwards(parent);
    if (removed_black) repair_remove(parent, child);
}

/// `child` (or nothing, below `parent`) has one black node too few above it.
void AreaTree::repair_remove(VmapArea* parent, VmapArea* child) {
    while (parent != nullptr && !is_red(child)) {
        const bool is_left = child == parent->left;
        VmapArea* sibling = is_left ? parent->right : parent->left;
        if (sibling->red) {
            sibling->red = false;
            parent->red = true;
            rotate(parent, is_left);
            sibling = is_left ? parent->right : parent->left;
        }
        VmapArea* const far = is_left ? sibling->right : sibling->left;
        VmapArea* const near = is_left ? sibling->left : sibling->right;
        if (!is_red(far) && !is_red(near)) {
            sibling->red = true;
            child = parent;
            parent = child->parent;
            continue;
        }
        if (!is_red(far)) {
            near->red = false;
            sibling->red = true;
            rotate(sibling, !is_left);
            sibling = near;
        }
        sibling->red = parent->red;
        parent->red = false;
        (is_left ? sibling->right : sibling->left)->red = false;
        rotate(parent, is_left);
        return;
    }
    if (child != nullptr) child->red = false;
}

// ---- the search (VM-20..22) --------------------------------------------------------------------------

std::optional<std::uint64_t> AreaTree::place_in(const VmapArea& area, std::uint64_t size, std::uint64_t align,
                                                std::uint64_t lowest) {
    const std::uint64_t from = std::max(area.start, lowest);
    const std::uint64_t begin = (from + align - 1) & ~(align - 1);
    const std::uint64_t end = begin + size;
    if (begin < from || end < begin || end > area.end) return {};
    return begin;
}

VmapArea* AreaTree::find_fit(std::uint64_t size, std::uint64_t align, std::uint64_t lowest,
                             std::uint64_t needed) const {
    VmapArea* area = root_;
    while (area != nullptr) {
        if (largest_of(area->left) >= needed && lowest < area->start) {
            area = area->left;
            continue;
        }
        if (place_in(*area, size, align, lowest)) return area;
        if (largest_of(area->right) >= needed) {
            area = area->right;
            continue;
        }
        // Nothing down here. Of each area above, itself and what lies right of it come next.
        for (area = area->parent; area != nullptr; area = area->parent) {
            if (place_in(*area, size, align, lowest)) return area;
            if (largest_of(area->right) >= needed && lowest <= area->start) {
                lowest = area->start + 1;
                area = area->right;
                break;
            }
        }
    }
    return nullptr;
}

// ---- the checker -------------------------------------------------------------------------------------

std::string AreaTree::find_fault() const {
    std::uint64_t seen = 0;
    unsigned black_height = 0;
    const VmapArea* before = nullptr;
    if (is_red(root_)) return "the root is red";
    for (const VmapArea* area = first(); area != nullptr; before = area, area = next(area)) {
        const auto fault = [&](const char* what) {
            return fmt::format("area {:#x}-{:#x} {}", area->start, area->end, what);
        };
        if (++seen > count_) return fault("is one too many");
        if (area->start >= area->end) return fault("is empty");
        if (before != nullptr && before->end > area->start) return fault("begins in the one before");
        for (const VmapArea* child : {area->left, area->right}) {
            if (child != nullptr && child->parent != area) return fault("is not its child's parent");
            if (area->red && is_red(child)) return fault("is red below red");
        }
        const std::uint64_t largest =
            std::max({area->size(), largest_of(area->left), largest_of(area->right)});
        if (area->largest != largest) return fault("says another largest size than its subtree has");
        if (area->left != nullptr && area->right != nullptr) continue;
        unsigned black = 0;
        unsigned depth = 0;
        for (const VmapArea* up = area; up != nullptr; up = up->parent) {
            black += up->red ? 0U : 1U;
            if (++depth > deepest) return fault("lies below itself");
        }
        if (black_height == 0) black_height = black;
        if (black != black_height) return fault("lies below another number of black areas");
    }
    if (seen != count_) return fmt::format("{} areas, {} counted", seen, count_);
    return "";
}

}  // namespace kmemlab
