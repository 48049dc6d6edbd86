/* journey_svg.c - drawing: a sequence diagram of three columns, client, node and endpoint, in SVG that every browser shows.
 *
 * Nothing in it runs: no script, no font, no image from elsewhere.  Colours are classes, for light and for dark.  The picture is
 * as wide as its longest tuple wants and as high as its steps; both are known before the first line is written.  Only text that
 * put_escaped wrote comes from packets or policies. */
#include "cli/command.h"
#include "cli/journey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	CLIENT_X = 230,
	GAP_LEAST = 310, /* between columns */
	CHARACTER = 7,   /* width of one, at most, in small print */
	RIGHT = 190,
	TOP = 196,
	BOTTOM = 78,
	ROW = 64, /* of a step without notes */
	NOTE = 17,
	EDIT_LINES = 12,
	EDIT_COLUMNS = 88,
};

struct canvas {
	FILE *file;
	const struct journey *journey;
	int column[3]; /* x of client, node and endpoint */
	int width, height, y;
};

static const char style[] =
	"<style>\n"
	"text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1c1e21 }\n"
	".title { font: 600 21px system-ui, 'DejaVu Sans', sans-serif } .head { font-weight: 600; font-size: 13px }\n"
	".small { font-size: 11px } .muted { fill: #687078 } .mid { text-anchor: middle }\n"
	".end { text-anchor: end } .strong { font-weight: 600 }\n"
	".paper { fill: #fbfbfa } .box { fill: #ffffff; stroke: #c6cbd1 } .life { stroke: #c6cbd1; stroke-width: 2 }\n"
	".stripe { fill: #f2f3f3 } .edit { fill: #ecf7ee; stroke: #9dcfa8 } .gap { stroke: #687078; stroke-dasharray: 2 5 "
	"}\n"
	".arrow { stroke-width: 1.75; fill: none } .orig { stroke: #1f5fd0 } .reply { stroke: #0b7f77 }\n"
	".origfill { fill: #1f5fd0 } .replyfill { fill: #0b7f77 } .bad { fill: #c3272b } .cross { stroke: #c3272b; "
	"stroke-width: 3 }\n"
	".halo { paint-order: stroke; stroke: #fbfbfa; stroke-width: 6 }\n"
	".new { fill: #a85400; font-weight: 600 } .put { fill: #17692f }\n"
	"@media (prefers-color-scheme: dark) {\n"
	"text { fill: #e7e9ec } .muted { fill: #9aa2ab } .paper { fill: #14171b } .box { fill: #1d2127; stroke: #434a53 }\n"
	".life { stroke: #3a4149 } .stripe { fill: #191d22 } .edit { fill: #15291b; stroke: #2f6b40 } .gap { stroke: "
	"#9aa2ab }\n"
	".orig { stroke: #72aefb } .origfill { fill: #72aefb } .reply { stroke: #4ccbbf } .replyfill { fill: #4ccbbf }\n"
	".bad { fill: #ff8078 } .cross { stroke: #ff8078 } .new { fill: #ffb468 } .put { fill: #86e29b }\n"
	".halo { stroke: #14171b }\n"
	"}\n"
	"</style>\n";

/* ---- Text ---- */

static void put_escaped(const struct canvas *canvas, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == '<' || byte == '>' || byte == '&' || byte == '"' || byte == '\'')
			fprintf(canvas->file, "&#%u;", byte);
		else
			fputc(byte < 0x20 || byte > 0x7e ? '.' : byte, canvas->file);
	}
}

static void open_text(const struct canvas *canvas, int x, int y, const char *class)
{
	fprintf(canvas->file, "<text x=\"%d\" y=\"%d\" class=\"%s\" xml:space=\"preserve\">", x, y, class);
}

static void close_text(const struct canvas *canvas)
{
	fputs("</text>\n", canvas->file);
}

static void put_text(const struct canvas *canvas, int x, int y, const char *class, const char *text)
{
	open_text(canvas, x, y, class);
	put_escaped(canvas, text, strlen(text));
	close_text(canvas);
}

/* One end of a tuple, marked if the node made it another one. */
static void put_end(const struct canvas *canvas, const struct lun_address *address, uint16_t port, bool is_new)
{
	char text[LUN_ADDRESS_TEXT];

	fprintf(canvas->file, is_new ? "<tspan class=\"new\">%s</tspan>" : "%s", lun_endpoint_format(address, port, text));
}

static void put_tuple(const struct canvas *canvas, int x, int y, const struct lun_tuple *tuple, const struct lun_tuple *was)
{
	bool compare = was && was->protocol;

	open_text(canvas, x, y, "small muted mid");
	put_end(canvas, &tuple->source, tuple->source_port,
		compare && (memcmp(&tuple->source, &was->source, sizeof(tuple->source)) != 0 ||
			    tuple->source_port != was->source_port));
	fputs(" &#8594; ", canvas->file);
	put_end(canvas, &tuple->destination, tuple->destination_port,
		compare && (memcmp(&tuple->destination, &was->destination, sizeof(tuple->destination)) != 0 ||
			    tuple->destination_port != was->destination_port));
	close_text(canvas);
}

/* A number, and how far the node has moved it. */
static void put_number(const struct canvas *canvas, const char *name, uint32_t number, const uint32_t *before)
{
	int32_t shift = before ? (int32_t)(number - *before) : 0;

	fprintf(canvas->file, "  %s ", name);
	if (shift)
		fprintf(canvas->file, "<tspan class=\"new\">%" PRIu32 " (%+" PRId32 ")</tspan>", number, shift);
	else
		fprintf(canvas->file, "%" PRIu32, number);
}

static void put_flags(const struct canvas *canvas, uint8_t flags)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR" };
	const char *gap = "";

	for (unsigned i = 0; i < 8; i++) {
		if (!(flags & 1u << i))
			continue;
		fprintf(canvas->file, "%s%s", gap, names[i]);
		gap = " ";
	}
	fputs(*gap ? "" : "no flags", canvas->file);
}

/* What a packet is, over its arrow; `before` is what came, or NULL for what did. */
static void put_fields(const struct canvas *canvas, int x, int y, const struct lun_tuple *tuple,
		       const struct journey_fields *fields, const struct journey_fields *before)
{
	const char *protocol = lun_protocol_name(tuple->protocol);
	const struct journey_fields *from = before && before->kind == FIELDS_READ ? before : NULL;

	open_text(canvas, x, y, "mid");
	if (fields->kind == FIELDS_ICMP_ERROR)
		fputs("ICMP error about", canvas->file);
	else if (fields->kind == FIELDS_NONE || tuple->protocol != LUN_TCP)
		fputs(protocol ? protocol : "packet", canvas->file);
	else
		put_flags(canvas, fields->tcp_flags);
	if (fields->kind == FIELDS_READ && tuple->protocol == LUN_TCP) {
		put_number(canvas, "seq", fields->sequence, from ? &from->sequence : NULL);
		if (fields->tcp_flags & 16)
			put_number(canvas, "ack", fields->acknowledgement, from ? &from->acknowledgement : NULL);
	}
	if (fields->kind == FIELDS_READ)
		put_number(canvas, "len", fields->length, from ? &from->length : NULL);
	close_text(canvas);
}

/* ---- Lines ---- */

static const char *color_of(enum lun_direction direction)
{
	return direction == LUN_ORIG ? "orig" : "reply";
}

static void put_arrow(const struct canvas *canvas, int from, int to, enum lun_direction direction)
{
	int back = from < to ? -9 : 9, tip = to + (from < to ? -5 : 5);

	fprintf(canvas->file, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"arrow %s\"/>", from, canvas->y, tip,
		canvas->y, color_of(direction));
	fprintf(canvas->file, "<path d=\"M%d %dl%d -5v10z\" class=\"%sfill\"/>\n", tip, canvas->y, back,
		color_of(direction));
}

/* ---- Steps ---- */

static bool is_edited(const struct journey_step *step)
{
	return step->inserted || step->removed;
}

static int edit_lines(const struct journey_step *step)
{
	int lines = 1; /* that says how much */

	for (uint32_t i = 0; i < step->edit_length && lines < EDIT_LINES; i++)
		lines += step->edit[i] == '\n';
	return lines;
}

static int height_of(const struct journey_step *step)
{
	return ROW + (step->reason != LUN_REASON_none ? NOTE : 0) + (is_edited(step) ? edit_lines(step) * NOTE + 16 : 0);
}

/* A line that was put in or taken out; its sign is its first byte. */
static void put_edit_line(const struct canvas *canvas, int x, int y, const char *line, size_t length)
{
	size_t shown = length <= EDIT_COLUMNS ? length : EDIT_COLUMNS - 1;

	open_text(canvas, x, y, *line == '+' ? "small put" : "small bad");
	fputs(*line == '+' ? "+ " : "&#8722; ", canvas->file);
	put_escaped(canvas, line + 1, shown - 1);
	fputs(shown < length ? "&#8230;" : "", canvas->file);
	close_text(canvas);
}

static void put_edit(const struct canvas *canvas, const struct journey_step *step, int y)
{
	int lines = edit_lines(step), x = canvas->column[1] - EDIT_COLUMNS * CHARACTER / 2;
	const char *at = step->edit;

	fprintf(canvas->file, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" class=\"edit\"/>\n", x - 12, y,
		EDIT_COLUMNS * CHARACTER + 24, lines * NOTE + 8);
	open_text(canvas, x, y + 16, "small strong");
	fprintf(canvas->file, "the payload: %" PRIu32 " bytes put in, %" PRIu32 " taken out", step->inserted, step->removed);
	close_text(canvas);
	for (int i = 1; i < lines; i++) {
		const char *end = memchr(at, '\n', step->edit_length - (uint32_t)(at - step->edit));

		put_edit_line(canvas, x, y + 16 + i * NOTE, at, (size_t)(end - at));
		at = end + 1;
	}
}

static void put_time(const struct canvas *canvas, const struct journey_step *step)
{
	uint64_t begin = canvas->journey->first[0].time, time = step->time > begin ? step->time - begin : 0;
	char text[48];

	snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64 " s", time / 1000000000, time % 1000000000 / 1000);
	put_text(canvas, 112, canvas->y + 4, "end", text);
	if (step->number)
		snprintf(text, sizeof(text), "packet %" PRIu64, step->number);
	put_text(canvas, 112, canvas->y + 19, "small muted end", step->number ? text : "of its own");
}

/* What became of it at the node, where it did not just go on. */
static void put_outcome(const struct canvas *canvas, const struct journey_step *step, int y)
{
	const char *word = step->is.protocol             ? "invalid"
			   : step->verdict == LUN_STOLEN ? "held"
			   : step->verdict == LUN_REJECT ? "rejected"
							 : "dropped";
	int x = canvas->column[1];

	if (!step->is.protocol && step->verdict != LUN_STOLEN)
		fprintf(canvas->file, "<path d=\"M%d %dl14 14m0 -14l-14 14\" class=\"cross\"/>\n", x - 7, canvas->y - 7);
	if (step->reason == LUN_REASON_none) {
		if (!step->is.protocol)
			put_text(canvas, x + 16, canvas->y + 4, "small bad", word);
		return;
	}
	open_text(canvas, x, y, "small bad mid halo");
	fprintf(canvas->file, "%s: %s &#8212; ", word, lun_reason_name(step->reason));
	put_escaped(canvas, lun_reason_text(step->reason), strlen(lun_reason_text(step->reason)));
	close_text(canvas);
}

static void put_step(struct canvas *canvas, const struct journey_step *step)
{
	bool orig = step->direction == LUN_ORIG;
	int from = canvas->column[orig ? 0 : 2], node = canvas->column[1], to = canvas->column[orig ? 2 : 0];
	int top = canvas->y, notes = top + ROW;

	canvas->y = top + 32;
	put_time(canvas, step);
	if (step->was.protocol) {
		put_arrow(canvas, from, node, step->direction);
		put_fields(canvas, (from + node) / 2, top + 24, &step->was, &step->before, NULL);
		put_tuple(canvas, (from + node) / 2, top + 48, &step->was, NULL);
	}
	if (step->is.protocol) {
		put_arrow(canvas, node, to, step->direction);
		put_fields(canvas, (node + to) / 2, top + 24, &step->is, &step->after, &step->before);
		put_tuple(canvas, (node + to) / 2, top + 48, &step->is, &step->was);
	}
	if (step->is.protocol || step->verdict == LUN_STOLEN)
		fprintf(canvas->file, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" class=\"%sfill\"/>\n", node, canvas->y,
			color_of(step->direction));
	put_outcome(canvas, step, notes + 6);
	if (step->state)
		put_text(canvas, canvas->column[2] + 24, canvas->y + 4, "small strong", step->state);
	notes += step->reason != LUN_REASON_none ? NOTE : 0;
	if (is_edited(step))
		put_edit(canvas, step, notes - 2);
	canvas->y = top + height_of(step);
}

/* ---- The whole ---- */

static uint64_t elided(const struct journey *journey)
{
	return journey->count > JOURNEY_FIRST + JOURNEY_LAST ? journey->count - JOURNEY_FIRST - JOURNEY_LAST : 0;
}

static const struct journey_step *step_at(const struct journey *journey, uint64_t index)
{
	return index < JOURNEY_FIRST ? &journey->first[index] : &journey->last[index % JOURNEY_LAST];
}

/* Calls `put` for each step that is drawn and, where steps are left out, with NULL. */
static void each_step(struct canvas *canvas, void (*put)(struct canvas *canvas, const struct journey_step *step))
{
	const struct journey *journey = canvas->journey;

	for (uint64_t i = 0; i < journey->count && i < JOURNEY_FIRST; i++)
		put(canvas, step_at(journey, i));
	if (elided(journey))
		put(canvas, NULL);
	for (uint64_t i = JOURNEY_FIRST + elided(journey); i < journey->count; i++)
		put(canvas, step_at(journey, i));
}

static int tuple_width(const struct lun_tuple *tuple)
{
	char text[LUN_TUPLE_TEXT];

	return tuple->protocol ? (int)strlen(lun_tuple_format(tuple, text)) * CHARACTER + 20 : 0;
}

/* As if each number were moved. */
static int fields_width(const struct journey_fields *fields)
{
	return fields->kind == FIELDS_READ
		       ? snprintf(NULL, 0, "PSH ACK seq %" PRIu32 " (+1000) ack %" PRIu32 " (+1000) len %" PRIu32 " (+1000)",
				  fields->sequence, fields->acknowledgement, fields->length) *
				 CHARACTER
		       : 0;
}

static void widen(int *gap, int width)
{
	*gap = width > *gap ? width : *gap;
}

static void measure(struct canvas *canvas, const struct journey_step *step)
{
	canvas->height += step ? height_of(step) : ROW;
	if (!step)
		return;
	widen(&canvas->column[1], tuple_width(&step->was));
	widen(&canvas->column[1], tuple_width(&step->is));
	widen(&canvas->column[1], fields_width(&step->before));
	widen(&canvas->column[1], fields_width(&step->after));
}

static void put_step_or_gap(struct canvas *canvas, const struct journey_step *step)
{
	if (step) {
		put_step(canvas, step);
		return;
	}
	fprintf(canvas->file, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"gap\"/>\n", canvas->column[0],
		canvas->y + 38, canvas->column[2], canvas->y + 38);
	open_text(canvas, canvas->column[1], canvas->y + 30, "muted mid");
	fprintf(canvas->file, "%" PRIu64 " more packets, which are not drawn", elided(canvas->journey));
	close_text(canvas);
	canvas->y += ROW;
}

static void put_column(const struct canvas *canvas, int index, const char *name, const char *address)
{
	int x = canvas->column[index], width = (int)strlen(address) * CHARACTER + 24;

	width = width < 150 ? 150 : width;
	fprintf(canvas->file, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"life\"/>\n", x, TOP - 30, x,
		canvas->height - BOTTOM + 18);
	fprintf(canvas->file, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"44\" rx=\"6\" class=\"box\"/>\n", x - width / 2,
		TOP - 74, width);
	put_text(canvas, x, TOP - 56, "head mid", name);
	put_text(canvas, x, TOP - 39, "small muted mid", address);
}

static void put_head(const struct canvas *canvas)
{
	const struct journey *journey = canvas->journey;
	const time_t second = (time_t)(journey->first[0].time / 1000000000);
	char text[LUN_TUPLE_TEXT], date[64] = "";
	struct tm broken;

	open_text(canvas, 24, 42, "title");
	if (journey->number)
		fprintf(canvas->file, "Flow %" PRIu64, journey->number);
	else
		fputs("Packets without a flow", canvas->file);
	if (journey->service[0])
		fputs(" of ", canvas->file);
	put_escaped(canvas, journey->service, strlen(journey->service));
	close_text(canvas);
	if (gmtime_r(&second, &broken))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &broken);
	open_text(canvas, 24, 68, "muted");
	fprintf(canvas->file, "%s, %" PRIu64 " packet%s, from %s on", lun_tuple_format(&journey->orig, text), journey->count,
		journey->count == 1 ? "" : "s", date);
	close_text(canvas);
	open_text(canvas, 24, 90, "small muted");
	fputs("<tspan class=\"new\">marked</tspan>: what the node changed; sequence numbers count from the first of each "
	      "direction",
	      canvas->file);
	close_text(canvas);
}

static void put_columns(const struct canvas *canvas)
{
	const struct lun_tuple *orig = &canvas->journey->orig, *reply = &canvas->journey->reply;
	char text[LUN_ADDRESS_TEXT], asked[LUN_ADDRESS_TEXT + 16] = "asked for ";

	put_column(canvas, 0, "client", lun_endpoint_format(&orig->source, orig->source_port, text));
	lun_endpoint_format(&orig->destination, orig->destination_port, asked + strlen(asked));
	put_column(canvas, 1, "node", asked);
	lun_endpoint_format(&reply->source, reply->source_port, text);
	put_column(canvas, 2, "endpoint",
		   canvas->journey->flow || canvas->journey->first[0].is.protocol ? text : "none was reached");
}

static void put_picture(struct canvas *canvas)
{
	fprintf(canvas->file,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		"role=\"img\" aria-label=\"The packets of one flow between client, node and endpoint\">\n",
		canvas->width, canvas->height, canvas->width, canvas->height);
	fputs(style, canvas->file);
	fprintf(canvas->file, "<rect width=\"%d\" height=\"%d\" class=\"paper\"/>\n", canvas->width, canvas->height);
	put_head(canvas);
	put_columns(canvas);
	canvas->y = TOP;
	each_step(canvas, put_step_or_gap);
	put_text(canvas, 24, canvas->height - 24, "small muted", "lunette replay --journey");
	fputs("</svg>\n", canvas->file);
}

static bool ends_in(const char *path, const char *ending)
{
	size_t length = strlen(path), wanted = strlen(ending);

	return length > wanted && strcmp(path + length - wanted, ending) == 0;
}

bool journey_takes(const char *path)
{
	return ends_in(path, ".svg") || ends_in(path, ".html");
}

static void put_file(struct canvas *canvas, bool html)
{
	canvas->column[1] = GAP_LEAST;
	canvas->height = TOP + BOTTOM;
	each_step(canvas, measure);
	canvas->column[2] = CLIENT_X + 2 * canvas->column[1];
	canvas->column[1] += CLIENT_X;
	canvas->column[0] = CLIENT_X;
	canvas->width = canvas->column[2] + RIGHT;
	if (html)
		fputs("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta "
		      "charset=\"utf-8\"/>"
		      "<meta name=\"color-scheme\" content=\"light dark\"/><title>Journey of a flow</title>"
		      "<style>body { margin: 0; background: #fbfbfa }\n@media (prefers-color-scheme: dark) { body { "
		      "background: #14171b } }\n"
		      "svg { display: block; margin: auto; max-width: 100%; height: auto }</style>"
		      "</head><body>\n",
		      canvas->file);
	put_picture(canvas);
	if (html)
		fputs("</body></html>\n", canvas->file);
}

int journey_draw(const struct journey *journey, const char *path)
{
	struct canvas canvas = { .file = fopen(path, "w"), .journey = journey };
	bool good = canvas.file != NULL;

	if (good) {
		put_file(&canvas, ends_in(path, ".html"));
		good = fflush(canvas.file) == 0 && !ferror(canvas.file);
	}
	if (!good)
		fprintf(stderr, "lunette: %s: %s\n", path, strerror(errno));
	if (canvas.file)
		fclose(canvas.file);
	return good ? EXIT_DONE : EXIT_SYSTEM_REFUSED;
}
