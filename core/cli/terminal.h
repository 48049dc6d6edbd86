/* terminal.h - the terminal while a command has all of it. */
#ifndef LUNETTE_CLI_TERMINAL_H
#define LUNETTE_CLI_TERMINAL_H

#include <stdbool.h>

/* What terminal_key returns besides characters. */
enum {
	KEY_NONE = 256, /* the time is over */
	KEY_QUIT,       /* a signal wants the program to end, or nobody is at the terminal any more */
	KEY_RESIZED,
	KEY_UP,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_ESCAPE = 27,
	KEY_ENTER = '\n',
	KEY_BACKSPACE = 127,
};

/* Takes the terminal that standard input and output are: its other screen, without a cursor, keys as they are pressed.  What is
 * written to standard error meanwhile comes when it is given back.  False: they are none. */
bool terminal_enter(void);

/* Gives it back as it was; also done at exit.  Does nothing if it is not taken. */
void terminal_leave(void);

/* Rows and columns, of a terminal that does not say 24 and 80. */
void terminal_size(int *rows, int *columns);

/* The next key, waited for so long. */
int terminal_key(int wait_ms);

/* May more be written than ASCII? */
bool terminal_is_unicode(void);

#endif
