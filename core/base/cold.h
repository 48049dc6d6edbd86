/* cold.h - marks what not every packet needs, so that the compiler keeps its registers and its stack out of what every packet does. */
#ifndef LUNETTE_BASE_COLD_H
#define LUNETTE_BASE_COLD_H

#define APART __attribute__((noinline))      /* as fast as can be, but apart: for packets that open flows */
#define COLD __attribute__((noinline, cold)) /* small rather than fast, and far away */

#endif
