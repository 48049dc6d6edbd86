/* options.c - wrong arguments, each with one clear line. */
#include "cli/options.h"

#include "cli/command.h"

#include <ctype.h>
#include <errno.h>
#include <lunette/replay.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 31 };

/* Levenshtein's distance, row by row; words longer than any name of ours are far from all. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LENGTH + 1], columns = strlen(b);

	if (strlen(a) > NAME_MAX_LENGTH || columns > NAME_MAX_LENGTH)
		return SIZE_MAX;
	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t change = corner + (a[i - 1] != b[j - 1]), without = row[j], with = row[j - 1];

			corner = row[j];
			row[j] = without < with ? without + 1 : with + 1;
			if (change < row[j])
				row[j] = change;
		}
	}
	return row[columns];
}

const char *closest_name(const char *word, const char *const *names, size_t stride)
{
	const char *closest = NULL;
	size_t least = strlen(word) < 4 ? 2 : 3; /* one slip in a short word, two in a longer one */

	for (; *names; names = (const char *const *)(const void *)((const char *)names + stride)) {
		size_t far = distance(word, *names);

		if (far < least) {
			least = far;
			closest = *names;
		}
	}
	return closest;
}

static bool is_value(int value, const struct option *options)
{
	for (; options->name; options++)
		if (options->val == value)
			return true;
	return false;
}

int report_option(int result, char **argv, const struct option *options)
{
	char *word = argv[optind - 1];
	const char *closest;

	/* A letter that is no option's may stand in a word that getopt_long is not done with, so `word` may be another one. */
	if (result == '?' && optopt && !is_value(optopt, options))
		return report_usage(argv[0], "unknown option -%c", optopt);
	if (strncmp(word, "--", 2) == 0)
		word[strcspn(word, "=")] = '\0';
	if (result == ':')
		return report_usage(argv[0], "%s needs a value", word);
	if (optopt)
		return report_usage(argv[0], "%s takes no value", word);
	closest = closest_name(word + 2, &options[0].name, sizeof(options[0]));
	if (closest)
		return report_usage(argv[0], "unknown option %s, did you mean --%s?", word, closest);
	return report_usage(argv[0], "unknown option %s", word);
}

bool option_number(const char *command, const char *option, uint64_t most, uint64_t *number)
{
	char *end = optarg;

	errno = 0;
	*number = isdigit((unsigned char)*optarg) ? strtoull(optarg, &end, 10) : 0;
	if (end != optarg && !*end && !errno && *number <= most)
		return true;
	report_usage(command, "%s %s: expected a number from 0 to %llu", option, optarg, (unsigned long long)most);
	return false;
}

bool option_masks(const char *command, const char *option, size_t count, uint32_t *masks)
{
	const char *text = optarg;

	for (size_t i = 0; i < count; i++) {
		char *end;
		unsigned long long bits = strtoull(text, &end, 16);

		if (!isxdigit((unsigned char)*text) || bits > UINT32_MAX || *end != (i + 1 < count ? ',' : '\0')) {
			report_usage(command, "%s %s: expected hexadecimal bits of the packet mark%s", option, optarg,
				     count > 1 ? ", as in 0x1,0x2,0x4" : "");
			return false;
		}
		masks[i] = (uint32_t)bits;
		text = end + 1;
	}
	return true;
}

int option_filter(int argc, char **argv, char *text, size_t size)
{
	struct lun_flow_filter *filter = NULL;
	struct lun_error error;
	size_t used = 0;

	text[0] = '\0';
	for (int i = optind; i < argc; i++) {
		used += (size_t)snprintf(text + used, size - used, "%s%s", i > optind ? " " : "", argv[i]);
		if (used >= size)
			return report_usage(argv[0], "a filter of more than %zu characters", size - 1);
	}
	if (text[0] && lun_flow_filter_new(&filter, text, &error) < 0)
		return report_error(&error);
	lun_flow_filter_free(filter);
	return EXIT_DONE;
}
