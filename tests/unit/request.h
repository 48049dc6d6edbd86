/* request.h - one client's bytes through lun_http, in pieces of any size, and everything that came of it. */
#ifndef LUNETTE_TESTS_REQUEST_H
#define LUNETTE_TESTS_REQUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lunette/lunette.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTCOME_SIZE = 1 << 18, OUTCOME_INJECTED = 64 };

/* What came of a client's bytes. */
struct outcome {
	struct lun_http_status status;
	uint64_t injected_at[OUTCOME_INJECTED];
	size_t injected, length;
	uint8_t bytes[OUTCOME_SIZE];
};

static inline void outcome_write(void *user, const struct lun_http_piece *piece)
{
	struct outcome *outcome = user;

	assert_true(piece->length <= sizeof(outcome->bytes) - outcome->length);
	memcpy(outcome->bytes + outcome->length, piece->data, piece->length);
	outcome->length += piece->length;
	if (piece->injected_at && outcome->injected < OUTCOME_INJECTED)
		outcome->injected_at[outcome->injected++] = piece->injected_at;
}

/* What a client sends, and how it is cut: `first` bytes in one call, then `step` a time. */
struct trial {
	struct lun_policy *policy;
	unsigned answer; /* of the upstream to an upgrade; 0: none */
	const char *from;
	bool responses, to_head; /* the bytes are the upstream's */
	const void *bytes;
	size_t length, first, step;
};

/* Each piece is in memory of its own, so that a byte read too far, or too late, is seen. */
static inline void trial_feed(const struct trial *trial, struct lun_http *http)
{
	for (size_t at = 0, part = trial->first; at < trial->length; at += part, part = trial->step) {
		uint8_t *copy;

		part = part < trial->length - at ? part : trial->length - at;
		copy = malloc(part ? part : 1);
		memcpy(copy, (const uint8_t *)trial->bytes + at, part);
		lun_http_feed(http, copy, part);
		free(copy);
	}
}

static inline void trial_run(const struct trial *trial, struct outcome *outcome)
{
	struct lun_http_config config = { .size = sizeof(config),
					  .policy = trial->policy,
					  .service = "default/web",
					  .source_port = 4000,
					  .responses = trial->responses,
					  .to_head = trial->to_head,
					  .write = outcome_write,
					  .user = outcome };
	struct lun_http *http;
	struct lun_error error;

	lun_address_parse(&config.source, trial->from ? trial->from : "10.1.1.1");
	outcome->injected = outcome->length = 0;
	if (lun_http_new(&http, &config, &error) < 0)
		fail_msg("%s", error.text);
	if (trial->answer)
		lun_http_answer(http, trial->answer);
	trial_feed(trial, http);
	lun_http_status(http, &outcome->status);
	lun_http_free(http);
}

#endif
