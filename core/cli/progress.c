/* progress.c - one line that is drawn over itself by a carriage return, and blanked at the end: any terminal can do that. */
#include "cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	LARGE = 4 << 20, /* bytes: a smaller file is done before one could read the bar */
	CELLS_MOST = 40,
	CELLS_LEAST = 5,
	COLUMNS_USUAL = 80,
	TEXT_SIZE = 128,
};

#define MEGA 1e6

void progress_init(struct progress *progress, FILE *lines)
{
	*progress = (struct progress) { .wanted = isatty(STDERR_FILENO) && !(lines && isatty(fileno(lines))) };
}

static int terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS_USUAL;
}

/* Blanks what a longer line has left behind this one. */
static void draw_line(struct progress *progress, const char *line)
{
	int columns = (int)strlen(line), rest = progress->drawn > columns ? progress->drawn - columns : 0;

	fprintf(stderr, "\r%s%*s", line, rest, "");
	progress->drawn = columns;
}

void progress_draw(struct progress *progress, const struct lun_replay_progress *at)
{
	static const char done[] = "========================================";
	char text[TEXT_SIZE], line[TEXT_SIZE + CELLS_MOST + 8];
	double part = at->size > at->read ? (double)at->read / (double)at->size : 1;
	int cells, filled;

	if (!progress->wanted || at->size < LARGE)
		return;
	snprintf(text, sizeof(text), " %3.0f%%  %.0f of %.0f MB, %.2f million packets/s", part * 100,
		 (double)at->read / MEGA, (double)at->size / MEGA,
		 at->elapsed ? (double)at->frames * 1e3 / (double)at->elapsed : 0);
	cells = terminal_columns() - (int)strlen(text) - 3; /* brackets, and the last column stays free */
	if (cells < CELLS_LEAST)
		return;
	cells = cells < CELLS_MOST ? cells : CELLS_MOST;
	filled = (int)(part * cells);
	snprintf(line, sizeof(line), "[%.*s%*s]%s", filled, done, cells - filled, "", text);
	draw_line(progress, line);
}

void progress_clear(struct progress *progress)
{
	if (progress->drawn)
		fprintf(stderr, "\r%*s\r", progress->drawn, "");
	progress->drawn = 0;
}
