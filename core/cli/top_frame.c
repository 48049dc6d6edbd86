/* top_frame.c - one line for each group: its name, its numbers, and a bar that compares it with the greatest. */
#include "cli/top_frame.h"

#include <stdio.h>
#include <string.h>

enum { NUMBER_WIDTH = 7, NAME_LEAST = 20, BAR_LEAST = 10, BAR_MOST = 25, LINE = 1024, FRAME_LINES = 4 /* besides groups */ };

/* ---- Taking it ---- */

/* What may stand on a terminal: names come from policies. */
static void take_text(char text[TOP_NAME], const char *from)
{
	snprintf(text, TOP_NAME, "%s", from ? from : "-");
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

static double number_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static double sum_of(const cJSON *object, const char *key)
{
	const cJSON *item, *pair = cJSON_GetObjectItemCaseSensitive(object, key);
	double sum = 0;

	cJSON_ArrayForEach(item, pair) sum += item->valuedouble;
	return sum;
}

static void take_values(double values[TOP_SORTS], const cJSON *object)
{
	values[TOP_FLOWS] = number_of(object, "flows");
	values[TOP_OPENED] = number_of(object, "opened");
	values[TOP_PACKETS] = sum_of(object, "packets");
	values[TOP_BYTES] = sum_of(object, "bytes");
}

static void take_name(struct top_row *row, const cJSON *object)
{
	static const char *const keys[] = { "endpoint", "source", "orig", "service" };
	const cJSON *item = NULL;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !item; i++)
		item = cJSON_GetObjectItemCaseSensitive(object, keys[i]);
	take_text(row->name, item ? cJSON_GetStringValue(item) : "all others");
	row->is_group = cJSON_IsString(item);
	if (cJSON_HasObjectItem(object, "endpoint"))
		take_text(row->more, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "service")));
}

void top_frame_add(struct top_frame *frame, const cJSON *object)
{
	const cJSON *summary = cJSON_GetObjectItemCaseSensitive(object, "summary");

	if (summary) {
		frame->interval_s = number_of(summary, "interval_ms") / 1000;
		frame->counts = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(summary, "counts"));
		frame->groups = number_of(summary, "groups");
		take_values(frame->sums, summary);
	} else if (frame->row_count < TOP_ROWS) {
		struct top_row *row = &frame->rows[frame->row_count++];

		*row = (struct top_row) { .is_group = false };
		take_name(row, object);
		take_values(row->values, object);
	}
}

/* ---- Numbers ---- */

/* In at most six characters: "950", "9.5", "12.3k", "4.56M". */
static void format_number(char text[16], double number)
{
	static const char units[] = " kMGTP";
	const char *unit = units;

	while (number >= 999.5 && unit[1]) {
		number /= 1000;
		unit++;
	}
	if (*unit == ' ')
		snprintf(text, 16, number == (double)(int)number || number >= 99.95 ? "%.0f" : "%.1f", number);
	else
		snprintf(text, 16, "%.*f%c", number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2, number, *unit);
}

/* A number of connections as it is, as long as it fits; the others a second, or "-" where they are not known. */
static void format_value(char text[16], const struct top_frame *frame, enum top_sort what, double value)
{
	if (what == TOP_FLOWS && value < 100000)
		snprintf(text, 16, "%.0f", value);
	else if (what == TOP_FLOWS)
		format_number(text, value);
	else if (frame->interval_s > 0 && (what == TOP_OPENED || frame->counts))
		format_number(text, value / frame->interval_s);
	else
		strcpy(text, "-");
}

/* ---- Lines ---- */

struct layout {
	int name, bar; /* columns */
};

/* The name, and of an endpoint its service. */
static void format_name(char text[2 * TOP_NAME + 2], const struct top_row *row)
{
	snprintf(text, 2 * TOP_NAME + 2, "%s%s%s", row->name, *row->more ? "  " : "", row->more);
}

/* Names get what the longest needs, as far as it is there, and bars the rest. */
static struct layout layout_of(const struct top_frame *frame, int columns)
{
	int left = columns - TOP_SORTS * (NUMBER_WIDTH + 1) - 1, name = NAME_LEAST, bar;

	for (size_t i = 0; i < frame->row_count; i++) {
		char text[2 * TOP_NAME + 2];

		format_name(text, &frame->rows[i]);
		name = (int)strlen(text) > name ? (int)strlen(text) : name;
	}
	name = name > left - BAR_LEAST ? left - BAR_LEAST : name;
	bar = left - name > BAR_MOST ? BAR_MOST : left - name;
	return (struct layout) { .name = left - bar, .bar = bar };
}

/* A bar of `part` of `width`, in eighths of a character where the terminal has them. */
static void append_bar(char line[LINE], double part, int width, bool unicode)
{
	int eighths = (int)(part * width * 8 + 0.5);
	char *at = line + strlen(line);

	for (; eighths >= 8; eighths -= 8)
		at += sprintf(at, "%s", unicode ? "\u2588" : "#");
	if (eighths > 0 && unicode)
		at += sprintf(at, "\xe2\x96%c", 0x90 - eighths); /* U+258F is one eighth, U+2589 seven */
	else if (eighths >= 4)
		at += sprintf(at, "#");
	*at = '\0';
}

static void format_row(char line[LINE], const struct top_frame *frame, const struct top_row *row,
		       const struct top_look *look)
{
	struct layout layout = layout_of(frame, look->columns);
	double greatest = 0;
	char name[2 * TOP_NAME + 2];

	format_name(name, row);
	sprintf(line, "%-*.*s", layout.name, layout.name, name);
	for (int what = 0; what < TOP_SORTS; what++) {
		char text[16];

		format_value(text, frame, what, row->values[what]);
		sprintf(line + strlen(line), " %*s", NUMBER_WIDTH, text);
	}
	for (size_t i = 0; i < frame->row_count; i++)
		if (frame->rows[i].values[look->sort] > greatest)
			greatest = frame->rows[i].values[look->sort];
	strcat(line, " ");
	if (greatest > 0)
		append_bar(line, row->values[look->sort] / greatest, layout.bar, look->unicode);
}

static void format_head(char line[LINE], const struct top_frame *frame, const struct top_look *look)
{
	static const char *const names[TOP_SORTS] = { "conns", "new/s", "pkts/s", "bytes/s" };
	struct layout layout = layout_of(frame, look->columns);

	sprintf(line, "%-*s", layout.name, look->by);
	for (int what = 0; what < TOP_SORTS; what++) {
		char text[16];

		snprintf(text, sizeof(text), "%s%s", what == (int)look->sort ? ">" : "", names[what]);
		sprintf(line + strlen(line), " %*s", NUMBER_WIDTH, text);
	}
}

static void format_title(char line[LINE], const struct top_frame *frame, const struct top_look *look)
{
	char values[TOP_SORTS][16], groups[16];

	for (int what = 0; what < TOP_SORTS; what++)
		format_value(values[what], frame, what, frame->sums[what]);
	format_number(groups, frame->groups);
	snprintf(line, LINE, "lunette top: %s connections, %s new/s, %s packets/s, %s bytes/s; %s %s%s", values[TOP_FLOWS],
		 values[TOP_OPENED], values[TOP_PACKETS], values[TOP_BYTES], groups, look->by,
		 frame->groups == 1 ? "" : "s");
}

/* ---- The whole ---- */

size_t top_frame_room(int rows)
{
	return rows > FRAME_LINES ? (size_t)(rows - FRAME_LINES) : 1;
}

/* A line without the blanks at its end; the text that is not a screen's. */
static void print_plain(const char *line)
{
	size_t length = strlen(line);

	while (length > 0 && line[length - 1] == ' ')
		length--;
	printf("%.*s\n", (int)length, line);
}

/* A line of the screen, cut to its width: "\033[K" clears what was there. */
static void print_line(int row, const char *style, const char *line, const struct top_look *look)
{
	int length = 0, columns = 0;

	for (; line[length]; length++)
		if ((line[length] & 0xc0) != 0x80 && columns++ == look->columns) /* not the rest of a character */
			break;
	printf("\033[%d;1H\033[0m%s%.*s\033[K", row, style, length, line);
}

static void print_screen(const struct top_frame *frame, const struct top_look *look)
{
	static const char keys[] = "s service  e endpoint  c client  f flow | n o p b sort | enter in, esc out | q";
	size_t room = top_frame_room(look->rows), first = look->selected >= room ? look->selected - room + 1 : 0;
	char line[LINE];

	format_title(line, frame, look);
	print_line(1, "", line, look);
	snprintf(line, sizeof(line), "%s%s", *look->filter ? "of " : "", look->filter);
	print_line(2, "", line, look);
	format_head(line, frame, look);
	print_line(3, "\033[1m", line, look);
	for (size_t i = 0; i < room; i++) {
		line[0] = '\0';
		if (first + i < frame->row_count)
			format_row(line, frame, &frame->rows[first + i], look);
		print_line((int)i + 4, first + i == look->selected ? "\033[7m" : "", line, look);
	}
	if (look->rows > FRAME_LINES)
		print_line(look->rows, "\033[2m", keys, look);
	fflush(stdout);
}

void top_frame_print(const struct top_frame *frame, const struct top_look *look)
{
	char line[LINE];

	if (look->rows > 0) {
		print_screen(frame, look);
		return;
	}
	format_title(line, frame, look);
	print_plain(line);
	format_head(line, frame, look);
	print_plain(line);
	for (size_t i = 0; i < frame->row_count; i++) {
		format_row(line, frame, &frame->rows[i], look);
		print_plain(line);
	}
}
