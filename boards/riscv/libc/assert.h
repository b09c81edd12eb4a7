/* NDEBUG: an assertion is nothing. */
#define assert(condition) ((void)0)
