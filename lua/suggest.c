/* suggest.c - "did you mean": the known name that takes the fewest edits to come from what was written. */
#include "script.h"

#include <ctype.h>
#include <string.h>

enum { SUGGEST_LENGTH = 40, SUGGEST_EDITS = 2 };

/* Levenshtein distance, letters of either case being the same, row by row: row[j] is the distance of the first i letters
 * of `a` from the first j of `b`. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t length = strlen(b);
	size_t row[SUGGEST_LENGTH + 1];

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t change = diagonal + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));

			diagonal = row[j + 1];
			if (row[j] + 1 < change)
				change = row[j] + 1;
			row[j + 1] = diagonal + 1 < change ? diagonal + 1 : change;
		}
	}
	return row[length];
}

const char *suggest(const char *word, const char *const *names, size_t name_count)
{
	const char *nearest = NULL;
	size_t least = SUGGEST_EDITS + 1;

	for (size_t i = 0; i < name_count && strlen(word) <= SUGGEST_LENGTH; i++) {
		size_t distance = strlen(names[i]) <= SUGGEST_LENGTH ? edit_distance(word, names[i]) : least;

		if (distance >= least || distance * 2 > strlen(names[i]))
			continue;
		least = distance;
		nearest = names[i];
	}
	return nearest;
}
