/* terminal.c - a screen of text needs no library: a few control sequences that every terminal has known since the VT220 (ECMA-48;
 * xterm's 1049 for the other screen, which others ignore).
 *
 * The terminal must be given back whatever ends the program.  So signals are blocked but for the time that we wait for a key, where they
 * only leave a note; exit() is seen to by atexit(). */
#define _GNU_SOURCE /* ppoll */
#include "cli/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { REST_OF_KEY_MS = 50 /* that the rest of a sequence may take over a slow line */ };

static const int quit_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* The terminal is one, and so is what we know of it. */
static struct {
	bool taken, prepared;
	struct termios before;
	sigset_t waiting; /* the signals that are blocked while we wait: as it was before */
	char said[4096];  /* on standard error */
} terminal;

static volatile sig_atomic_t quit_asked, stop_asked, resized;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else if (number == SIGTSTP)
		stop_asked = 1;
	else
		quit_asked = 1;
}

static void prepare_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(quit_signals) / sizeof(quit_signals[0]); i++) {
		sigaction(quit_signals[i], &action, NULL);
		sigaddset(&blocked, quit_signals[i]);
	}
	sigaction(SIGWINCH, &action, NULL);
	sigaction(SIGTSTP, &action, NULL);
	sigaddset(&blocked, SIGWINCH);
	sigaddset(&blocked, SIGTSTP);
	sigprocmask(SIG_BLOCK, &blocked, &terminal.waiting);
	atexit(terminal_leave);
}

bool terminal_enter(void)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &terminal.before) < 0)
		return false;
	if (!terminal.prepared)
		prepare_signals();
	terminal.prepared = true;
	fflush(stderr);
	setvbuf(stderr, terminal.said, _IOFBF, sizeof(terminal.said));
	raw = terminal.before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return false;
	terminal.taken = true;
	fputs("\033[?1049h\033[?25l\033[2J", stdout);
	return true;
}

void terminal_leave(void)
{
	if (!terminal.taken)
		return;
	terminal.taken = false;
	fputs("\033[0m\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal.before);
	fflush(stderr);
	setvbuf(stderr, NULL, _IONBF, 0);
}

void terminal_size(int *rows, int *columns)
{
	struct winsize size = { 0 };
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;

	*rows = known ? size.ws_row : 24;
	*columns = known ? size.ws_col : 80;
}

bool terminal_is_unicode(void)
{
	return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* As if we had let ^Z do what it does, but with the terminal given back meanwhile. */
static int stop(void)
{
	stop_asked = 0;
	terminal_leave();
	raise(SIGSTOP);
	return terminal_enter() ? KEY_RESIZED : KEY_QUIT;
}

/* A byte of what was typed, or KEY_NONE, KEY_QUIT, KEY_RESIZED. */
static int next_byte(int wait_ms)
{
	const struct timespec wait = { .tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000L };
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	int ready = ppoll(&keys, 1, &wait, &terminal.waiting);
	unsigned char byte;

	if (quit_asked)
		return KEY_QUIT;
	if (stop_asked)
		return stop();
	if (resized) {
		resized = 0;
		return KEY_RESIZED;
	}
	if (ready <= 0)
		return KEY_NONE;
	return read(STDIN_FILENO, &byte, 1) == 1 ? byte : KEY_QUIT;
}

/* What comes behind ESC: "[A" or "OA" are arrows; what we do not know is taken as a whole, and ignored. */
static int next_sequence(void)
{
	int byte = next_byte(REST_OF_KEY_MS);

	if (byte != '[' && byte != 'O')
		return byte == KEY_QUIT ? KEY_QUIT : KEY_ESCAPE;
	do
		byte = next_byte(REST_OF_KEY_MS);
	while (byte < '@'); /* parameters */
	switch (byte) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case KEY_QUIT:
		return KEY_QUIT;
	default:
		return KEY_NONE;
	}
}

int terminal_key(int wait_ms)
{
	int byte = next_byte(wait_ms);

	if (byte == KEY_ESCAPE)
		return next_sequence();
	return byte == '\r' ? KEY_ENTER : byte == '\b' ? KEY_BACKSPACE : byte;
}
