/* process.h - what the embedder told of its process (lun_process_set), and invariants, which end it. */
#ifndef LUNETTE_BASE_PROCESS_H
#define LUNETTE_BASE_PROCESS_H

#include <lunette/lunette.h>

/* All zero: nothing was told.  The only variable of the engine: it is written before there is anything else of it. */
extern struct lun_process the_process;

_Noreturn void invariant_broken(const char *what, const char *file, int line);

/* As assert, which is always compiled in. */
#define invariant(holds) ((holds) ? (void)0 : invariant_broken(#holds, __FILE__, __LINE__))

#endif
