/* journey.c - gathering: which packets belong to the flow, and what was done to each.
 *
 * A flow is its packets, and also those with its tuples that the engine gave no flow: a picture without the SYN that was dropped,
 * or the late reset that was invalid, would not tell why the connection failed.  What is kept is bounded, whatever the capture
 * holds: the beginning and the end. */
#include "cli/journey.h"

#include <stdlib.h>
#include <string.h>

enum { TCP_ACK = 16 };

bool journey_init(struct journey *journey, const char *flow)
{
	char *end;

	*journey = (struct journey) { .wanted = strtoull(flow, &end, 10) };
	if (*flow >= '0' && *flow <= '9' && *end == '\0')
		return journey->wanted > 0;
	journey->wanted = 0;
	return lun_endpoint_parse(&journey->place, &journey->port, flow) == 0;
}

static struct lun_tuple turned(const struct lun_tuple *tuple)
{
	struct lun_tuple other = *tuple;

	other.source = tuple->destination;
	other.source_port = tuple->destination_port;
	other.destination = tuple->source;
	other.destination_port = tuple->source_port;
	return other;
}

static bool same_tuple(const struct lun_tuple *a, const struct lun_tuple *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- Which packets ---- */

static bool is_at(const struct journey *journey, const struct lun_address *address, uint16_t port)
{
	return memcmp(address, &journey->place, sizeof(*address)) == 0 && (!journey->port || journey->port == port);
}

static bool begins(const struct journey *journey, const struct lun_packet *packet, uint64_t number)
{
	const struct lun_tuple *was = &packet->was, *is = &packet->is;

	if (journey->wanted)
		return number == journey->wanted;
	return is_at(journey, &was->source, was->source_port) || is_at(journey, &was->destination, was->destination_port) ||
	       is_at(journey, &is->source, is->source_port) || is_at(journey, &is->destination, is->destination_port);
}

static bool belongs(const struct journey *journey, const struct lun_packet *packet)
{
	if (packet->flow && journey->flow)
		return packet->flow == journey->flow;
	return same_tuple(&packet->was, &journey->orig) || same_tuple(&packet->was, &journey->reply);
}

/* The first packet of the journey, or the first that has a flow. */
static void learn(struct journey *journey, const struct lun_packet *packet, uint64_t number)
{
	bool reply = packet->flow && packet->direction == LUN_REPLY;
	struct lun_tuple left = packet->is.protocol ? packet->is : packet->was;
	struct lun_flow flow;

	journey->flow = packet->flow;
	journey->number = number;
	journey->orig = reply ? turned(&left) : packet->was;
	journey->reply = reply ? packet->was : turned(&left);
	if (!packet->flow || lun_flow_find(journey->engine, &packet->was, &flow) < 0)
		return;
	journey->orig = flow.orig;
	journey->reply = flow.reply;
	strncpy(journey->service, flow.service ? flow.service : "", sizeof(journey->service) - 1);
}

/* ---- What a packet holds ---- */

/* Counts from the first number of the direction. */
static uint32_t relative(struct journey *journey, enum lun_direction direction, uint32_t number)
{
	if (!journey->known[direction])
		journey->base[direction] = number;
	journey->known[direction] = true;
	return number - journey->base[direction];
}

static void read_fields(struct journey_fields *fields, const uint8_t *data, uint32_t length, struct lun_packet_fields *read,
			struct lun_tuple *tuple)
{
	*tuple = (struct lun_tuple) { 0 };
	if (lun_packet_read(data, length, tuple, read) < 0) {
		*read = (struct lun_packet_fields) { 0 };
		fields->kind = tuple->protocol ? FIELDS_ICMP_ERROR : FIELDS_NONE;
		return;
	}
	*fields = (struct journey_fields) { .kind = FIELDS_READ,
					    .tcp_flags = read->tcp_flags,
					    .sequence = read->sequence,
					    .acknowledgement = read->acknowledgement,
					    .length = read->payload_length };
}

static void make_relative(struct journey *journey, struct journey_fields *fields, enum lun_direction direction)
{
	if (fields->kind != FIELDS_READ)
		return;
	fields->sequence = relative(journey, direction, fields->sequence);
	if (fields->tcp_flags & TCP_ACK)
		fields->acknowledgement = relative(journey, !direction, fields->acknowledgement);
}

/* Bytes of a payload. */
struct part {
	const char *bytes;
	uint32_t length;
};

/* Takes a line off the part, with its end. */
static struct part take_line(struct part *part)
{
	const char *end = memchr(part->bytes, '\n', part->length);
	struct part line = { part->bytes, end ? (uint32_t)(end - part->bytes) + 1 : part->length };

	part->bytes += line.length;
	part->length -= line.length;
	return line;
}

static bool has_line(struct part part, const struct part *wanted)
{
	while (part.length) {
		struct part line = take_line(&part);

		if (line.length == wanted->length && memcmp(line.bytes, wanted->bytes, line.length) == 0)
			return true;
	}
	return false;
}

static void add_edit(struct journey_step *step, char sign, const struct part *line)
{
	uint32_t length = line->length, room = JOURNEY_EDIT - step->edit_length;

	while (length && (line->bytes[length - 1] == '\n' || line->bytes[length - 1] == '\r'))
		length--;
	if (room < length + 2)
		return;
	step->edit[step->edit_length] = sign;
	memcpy(step->edit + step->edit_length + 1, line->bytes, length);
	step->edit[step->edit_length + 1 + length] = '\n';
	step->edit_length += length + 2;
}

/* Tells the lines of `part` that `other` has not.  => their bytes */
static uint32_t add_lines(struct journey_step *step, char sign, struct part part, const struct part *other)
{
	uint32_t bytes = 0;

	while (part.length) {
		struct part line = take_line(&part);

		if (has_line(*other, &line))
			continue;
		bytes += line.length;
		add_edit(step, sign, &line);
	}
	return bytes;
}

/* Leaves out the whole lines that both begin with, and those that both end with; headers are lines, and what is put in and taken
 * out are headers. */
static void compare(struct journey_step *step, struct part before, struct part after)
{
	uint32_t less = before.length < after.length ? before.length : after.length, same = 0, tail = 0;

	if (before.length == after.length && memcmp(before.bytes, after.bytes, less) == 0)
		return;
	while (same < less && before.bytes[same] == after.bytes[same])
		same++;
	while (same && after.bytes[same - 1] != '\n')
		same--;
	while (tail < less - same && before.bytes[before.length - 1 - tail] == after.bytes[after.length - 1 - tail])
		tail++;
	while (tail && after.bytes[after.length - tail - 1] != '\n')
		tail--;
	before = (struct part) { before.bytes + same, before.length - same - tail };
	after = (struct part) { after.bytes + same, after.length - same - tail };
	step->inserted = after.length;
	step->removed = before.length;
	if (before.length > JOURNEY_PAYLOAD || after.length > JOURNEY_PAYLOAD)
		return;
	step->inserted = add_lines(step, '+', after, &before);
	step->removed = add_lines(step, '-', before, &after);
}

/* ---- Steps ---- */

static void add_step(struct journey *journey, const struct journey_step *step)
{
	uint64_t index = journey->count++;

	if (index < JOURNEY_FIRST)
		journey->first[index] = *step;
	else
		journey->last[index % JOURNEY_LAST] = *step;
}

void journey_emission(struct journey *journey, const struct lun_replay_emission *emission)
{
	uint32_t index = journey->emission_count;
	struct lun_packet_fields read;
	struct journey_step *step;

	if (index == JOURNEY_EMISSIONS)
		return;
	step = &journey->emissions[index].step;
	*step = (struct journey_step) { .verdict = LUN_ACCEPT };
	read_fields(&step->after, emission->data, emission->length, &read, &step->is);
	journey->emissions[index].onward = emission->onward;
	journey->emissions[index].payload_length = read.payload_length;
	if (read.payload_length <= sizeof(journey->emissions[index].payload) && read.payload_length > 0)
		memcpy(journey->emissions[index].payload, read.payload, read.payload_length);
	journey->emission_count++;
}

/* What left: the packet itself, or the engine's own in its stead.  => the payload that is to be compared, or NULL */
static const uint8_t *fill_after(struct journey *journey, struct journey_step *step, const struct lun_replay_frame *frame,
				 uint32_t *length)
{
	const struct lun_packet *packet = frame->packet;
	struct lun_packet_fields read;
	struct lun_tuple tuple;

	if (packet->verdict == LUN_ACCEPT) {
		read_fields(&step->after, packet->data, packet->length, &read, &tuple);
		step->is = packet->is;
		*length = read.payload_length;
		return read.payload;
	}
	if (!frame->left || !journey->emission_count || !journey->emissions[0].onward)
		return NULL;
	step->after = journey->emissions[0].step.after;
	step->is = journey->emissions[0].step.is;
	*length = journey->emissions[0].payload_length;
	return *length && *length <= sizeof(journey->emissions[0].payload) ? journey->emissions[0].payload : NULL;
}

/* => whether the engine's first packet left in the stead of this one */
static bool add_packet(struct journey *journey, const struct lun_replay_frame *frame, enum lun_direction direction)
{
	const struct lun_packet *packet = frame->packet;
	struct journey_step step = { .number = frame->number,
				     .time = frame->time,
				     .direction = direction,
				     .was = packet->was,
				     .verdict = packet->verdict,
				     .reason = packet->reason,
				     .state = packet->flow ? lun_state_name(packet->state) : NULL };
	struct lun_packet_fields read;
	struct lun_tuple tuple;
	uint32_t length = 0;
	const uint8_t *after;

	read_fields(&step.before, frame->before, frame->before_length, &read, &tuple);
	after = fill_after(journey, &step, frame, &length);
	if (after && read.payload)
		compare(&step, (struct part) { (const char *)read.payload, read.payload_length },
			(struct part) { (const char *)after, length });
	make_relative(journey, &step.before, direction);
	make_relative(journey, &step.after, direction);
	add_step(journey, &step);
	return packet->verdict != LUN_ACCEPT && step.is.protocol;
}

static void add_emissions(struct journey *journey, const struct lun_replay_frame *frame, uint32_t from,
			  enum lun_direction direction)
{
	for (uint32_t i = from; i < journey->emission_count; i++) {
		struct journey_step *step = &journey->emissions[i].step;

		step->direction = journey->emissions[i].onward ? direction : !direction;
		step->time = frame->time;
		make_relative(journey, &step->after, step->direction);
		add_step(journey, step);
	}
}

void journey_frame(struct journey *journey, const struct lun_replay_frame *frame, uint64_t number)
{
	const struct lun_packet *packet = frame->packet;
	bool ours = packet && packet->was.protocol &&
		    (journey->count ? belongs(journey, packet) : begins(journey, packet, number));
	enum lun_direction direction;

	if (ours) {
		if (!journey->flow && (packet->flow || !journey->count))
			learn(journey, packet, number);
		direction =
			packet->flow ? packet->direction : (enum lun_direction) !same_tuple(&packet->was, &journey->orig);
		add_emissions(journey, frame, add_packet(journey, frame, direction), direction);
	}
	journey->emission_count = 0;
}
