/// A machine with a history, whose text files are worth reading: caches and kmalloc on four CPUs, some
/// objects freed again, on other CPUs too; and what a test needs to take a text apart.
#pragma once

#include <catch2/catch.hpp>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "allocators/contract/models.hpp"

namespace kmemlab::test {

template <class M>
class UsedMachine {
  public:
    UsedMachine() : model{config()} {
        std::vector<typename M::Cache*> caches;
        for (const std::size_t size : {24U, 64U, 192U, 700U, 2000U, 5000U})
            caches.push_back(model.kmem_cache_create({.name = "used-" + std::to_string(size), .size = size}));
        std::mt19937 random{1};
        for (int i = 0; i < 6000; ++i) {
            const CpuId cpu{static_cast<unsigned>(random() % cpus)};
            auto& cache = *caches[random() % caches.size()];
            if (random() % 8 == 0) (void)model.allocate({.size = random() % 9000, .cpu = cpu});
            if (random() % 5 < 3 || held_.empty()) {
                held_.push_back({&cache, model.kmem_cache_alloc(cache, GFP_KERNEL, cpu)});
                REQUIRE(held_.back().object != nullptr);
                continue;
            }
            std::swap(held_[random() % held_.size()], held_.back());
            model.kmem_cache_free(*held_.back().cache, held_.back().object, cpu);
            held_.pop_back();
        }
        // Of the largest everything: SLAB shares none of these, so that its slabs become empty.
        for (Held& held : held_) {
            if (held.cache == caches.back()) model.kmem_cache_free(*held.cache, held.object, CpuId{0});
        }
        std::erase_if(held_, [&](const Held& held) { return held.cache == caches.back(); });
    }

    [[nodiscard]] std::string text(std::string_view name) const {
        for (const Text& text : model.snapshot()) {
            if (text.name == name) return text.content;
        }
        FAIL("no text " << name);
        return {};
    }

    static constexpr unsigned cpus = 4;
    M model;

  private:
    [[nodiscard]] static typename M::Config config() {
        typename M::Config config;
        config.machine.cpus = cpus;
        config.machine.arena = std::size_t{128} << 20;
        return config;
    }
    struct Held {
        typename M::Cache* cache = nullptr;
        void* object = nullptr;
    };
    std::vector<Held> held_;
};

[[nodiscard]] inline std::vector<std::string> lines_in(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}
[[nodiscard]] inline std::vector<std::string> words_in(const std::string& line) {
    std::vector<std::string> words;
    std::istringstream in{line};
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}
/// A whole number and nothing else.
[[nodiscard]] inline std::uint64_t number_in(const std::string& word) {
    std::size_t read = 0;
    const std::uint64_t value = std::stoull(word, &read);
    REQUIRE(read == word.size());
    return value;
}
/// Where words end, counted in columns: alike in lines of one format with right-aligned numbers.
[[nodiscard]] inline std::vector<std::size_t> word_ends(const std::string& line) {
    std::vector<std::size_t> ends;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] != ' ' && (i + 1 == line.size() || line[i + 1] == ' ')) ends.push_back(i);
    }
    return ends;
}

}  // namespace kmemlab::test
