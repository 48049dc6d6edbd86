/* limits.h - limits that are reached seldom, and in a second build often: with LUNETTE_TINY all of them are tiny, and the tests run
 * again (tests/quality/tiny.sh).  What has no room is then what happens all the time. */
#ifndef LUNETTE_BASE_LIMITS_H
#define LUNETTE_BASE_LIMITS_H

#ifdef LUNETTE_TINY
#define LIMIT(usual, tiny) (tiny)
#else
#define LIMIT(usual, tiny) (usual)
#endif

#endif
