// Requests of absurd sizes must get null from the C library too, where a sanitizer would end the program.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
extern "C" const char*
__asan_default_options() {  // NOLINT(bugprone-reserved-identifier): a name it looks for
    return "allocator_may_return_null=1";
}
#endif
#if __has_feature(thread_sanitizer)
extern "C" const char*
__tsan_default_options() {  // NOLINT(bugprone-reserved-identifier): a name it looks for
    return "allocator_may_return_null=1";
}
#endif
#endif
