/* locate.c - from a value in a declaration to the line that it is written on.
 *
 * A table does not know where it came from, so a wrong value in it could only be blamed on the line of the declaring call.
 * This reads the source again, as far as telling apart names, strings, comments and brackets needs, and follows the path
 * (ports, 2, node_port) through the table constructors.  It goes as deep as the source shows: what was computed
 * elsewhere gets the line of the expression that stands in its place.  It only ever runs to word an error. */
#include "script.h"

#include <ctype.h>
#include <string.h>

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_OTHER };

struct token {
	enum token_kind kind;
	const char *text; /* without quotes; escapes as written */
	size_t length;
	int line;
};

struct scanner {
	const char *at, *end;
	int line;
};

static bool token_is(const struct token *token, enum token_kind kind, const char *text)
{
	return token->kind == kind && token->length == strlen(text) && memcmp(token->text, text, token->length) == 0;
}

/* At "[", "[=": the level of a long bracket ("[[" has 0), or -1. */
static int long_bracket_level(const struct scanner *scanner)
{
	const char *at = scanner->at + 1;

	while (at < scanner->end && *at == '=')
		at++;
	return at < scanner->end && *at == '[' ? (int)(at - scanner->at - 1) : -1;
}

/* At a long bracket of this level: takes it all.  => its text */
static struct token scan_long(struct scanner *scanner, int level)
{
	struct token token = { TOKEN_STRING, scanner->at + level + 2, 0, scanner->line };

	for (scanner->at = token.text; scanner->at < scanner->end; scanner->at++) {
		const char *at = scanner->at;

		scanner->line += *at == '\n';
		if (*at != ']' || scanner->end - at < level + 2 || at[level + 1] != ']' ||
		    strspn(at + 1, "=") != (size_t)level)
			continue;
		token.length = (size_t)(at - token.text);
		scanner->at += level + 2;
		return token;
	}
	token.length = (size_t)(scanner->end - token.text);
	return token;
}

static struct token scan_quoted(struct scanner *scanner)
{
	char quote = *scanner->at++;
	struct token token = { TOKEN_STRING, scanner->at, 0, scanner->line };

	while (scanner->at < scanner->end && *scanner->at != quote) {
		if (*scanner->at == '\\' && scanner->end - scanner->at > 1)
			scanner->at++;
		scanner->line += *scanner->at++ == '\n';
	}
	token.length = (size_t)(scanner->at - token.text);
	scanner->at += scanner->at < scanner->end;
	return token;
}

/* At "--": takes the comment. */
static void scan_comment(struct scanner *scanner)
{
	int level = -1;

	scanner->at += 2;
	if (scanner->at < scanner->end && *scanner->at == '[')
		level = long_bracket_level(scanner);
	if (level >= 0)
		scan_long(scanner, level);
	else
		while (scanner->at < scanner->end && *scanner->at != '\n')
			scanner->at++;
}

static void scan_blanks(struct scanner *scanner)
{
	while (scanner->at < scanner->end) {
		if (scanner->end - scanner->at > 1 && scanner->at[0] == '-' && scanner->at[1] == '-')
			scan_comment(scanner);
		else if (isspace((unsigned char)*scanner->at))
			scanner->line += *scanner->at++ == '\n';
		else
			return;
	}
}

/* Numbers come as names and one character of anything else at a time, but "==", which is no "=". */
static struct token scan(struct scanner *scanner)
{
	struct token token = { .kind = TOKEN_END };

	scan_blanks(scanner);
	token.text = scanner->at;
	token.line = scanner->line;
	if (scanner->at == scanner->end)
		return token;
	if (*scanner->at == '"' || *scanner->at == '\'')
		return scan_quoted(scanner);
	if (*scanner->at == '[' && long_bracket_level(scanner) >= 0)
		return scan_long(scanner, long_bracket_level(scanner));
	token.kind = TOKEN_OTHER;
	if (isalnum((unsigned char)*scanner->at) || *scanner->at == '_') {
		token.kind = TOKEN_NAME;
		while (scanner->at < scanner->end && (isalnum((unsigned char)*scanner->at) || *scanner->at == '_'))
			scanner->at++;
	} else {
		scanner->at += scanner->end - scanner->at > 1 && scanner->at[0] == '=' && scanner->at[1] == '=' ? 2 : 1;
	}
	token.length = (size_t)(scanner->at - token.text);
	return token;
}

/* How much deeper this token leads; commas inside do not separate fields. */
static int token_nesting(const struct token *token)
{
	static const char *const deeper[] = { "function", "if", "do", "repeat" };

	if (token->kind == TOKEN_OTHER && token->length == 1)
		return strchr("({[", *token->text) != NULL ? 1 : strchr(")}]", *token->text) != NULL ? -1 : 0;
	for (size_t i = 0; i < sizeof(deeper) / sizeof(deeper[0]); i++) {
		if (token_is(token, TOKEN_NAME, deeper[i]))
			return 1;
	}
	return token_is(token, TOKEN_NAME, "end") || token_is(token, TOKEN_NAME, "until") ? -1 : 0;
}

/* Skips the rest of a field that begins with `token`; false if it was the last one of its table. */
static bool skip_field(struct scanner *scanner, struct token token)
{
	int depth = 0;

	for (; token.kind != TOKEN_END; token = scan(scanner)) {
		if (depth == 0 && (token_is(&token, TOKEN_OTHER, ",") || token_is(&token, TOKEN_OTHER, ";")))
			return true;
		depth += token_nesting(&token);
		if (depth < 0)
			return false;
	}
	return false;
}

/* If a field begins "name =" or "["name"] =", its key, and the scanner is behind the '='; else nothing is taken. */
static bool scan_key(struct scanner *scanner, const struct token *first, struct token *key)
{
	struct scanner ahead = *scanner;
	struct token token;

	*key = *first;
	if (token_is(first, TOKEN_OTHER, "[")) {
		*key = scan(&ahead);
		token = scan(&ahead);
		if (key->kind != TOKEN_STRING || !token_is(&token, TOKEN_OTHER, "]"))
			return false;
	} else if (first->kind != TOKEN_NAME) {
		return false;
	}
	token = scan(&ahead);
	if (!token_is(&token, TOKEN_OTHER, "="))
		return false;
	*scanner = ahead;
	return true;
}

/* Behind the '{' of a table: finds the field; its value comes next.  `line` becomes that of the key or value. */
static bool find_field(struct scanner *scanner, const struct step *step, int *line)
{
	long long index = 1;

	for (;;) {
		struct scanner before = *scanner;
		struct token first = scan(scanner);
		struct token key;

		if (first.kind == TOKEN_END || token_is(&first, TOKEN_OTHER, "}"))
			return false;
		if (scan_key(scanner, &first, &key)) {
			if (step->key != NULL && key.length == strlen(step->key) &&
			    memcmp(key.text, step->key, key.length) == 0) {
				*line = key.line;
				return true;
			}
			first = scan(scanner);
		} else if (!token_is(&first, TOKEN_OTHER, "[") && index++ == step->index && step->key == NULL) {
			*line = first.line;
			*scanner = before;
			return true;
		}
		if (!skip_field(scanner, first))
			return false;
	}
}

/* Goes behind the '{' that follows `word` on `line`. */
static bool find_declaration(struct scanner *scanner, const char *word, int line)
{
	for (struct token token = scan(scanner); token.kind != TOKEN_END && token.line <= line; token = scan(scanner)) {
		if (token.line != line || !token_is(&token, TOKEN_NAME, word))
			continue;
		while (token.kind != TOKEN_END && !token_is(&token, TOKEN_OTHER, "{"))
			token = scan(scanner);
		return token.kind != TOKEN_END;
	}
	return false;
}

int locate_line(const struct source *source, const char *word, int line, const struct step *path, size_t path_count)
{
	struct scanner scanner = { .at = source->text, .end = source->text + source->length, .line = 1 };
	struct token token;

	if (!find_declaration(&scanner, word, line))
		return line;
	for (size_t i = 0; i < path_count && find_field(&scanner, &path[i], &line); i++) {
		token = scan(&scanner);
		if (!token_is(&token, TOKEN_OTHER, "{"))
			break;
	}
	return line;
}

int locate_global(const struct source *source, const char *name, unsigned *count)
{
	struct scanner scanner = { .at = source->text, .end = source->text + source->length, .line = 1 };
	struct token before = { .kind = TOKEN_OTHER }, token = scan(&scanner), next;
	int line = 0, tables = 0;

	for (; token.kind != TOKEN_END; before = token, token = next) {
		next = scan(&scanner);
		tables += token_is(&token, TOKEN_OTHER, "{") - token_is(&token, TOKEN_OTHER, "}");
		if (!token_is(&token, TOKEN_NAME, name))
			continue;
		++*count;
		if (line == 0 && (token_is(&before, TOKEN_NAME, "function") ||
				  (tables == 0 && !token_is(&before, TOKEN_OTHER, ".") &&
				   (token_is(&next, TOKEN_OTHER, "=") || token_is(&next, TOKEN_OTHER, ",")))))
			line = token.line;
	}
	return line;
}
