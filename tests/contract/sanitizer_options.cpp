// Requests of absurd sizes must get null from the C library too, where a sanitizer would end the program, or
// spend minutes on marking gigabytes as its own. The names are those that the sanitizers look for.

// NOLINTBEGIN(bugprone-reserved-identifier): see above
extern "C" const char* __asan_default_options() {
    return "allocator_may_return_null=1:max_allocation_size_mb=1024";
}
extern "C" const char* __tsan_default_options() {
    return "allocator_may_return_null=1:max_allocation_size_mb=1024";
}
// NOLINTEND(bugprone-reserved-identifier)
