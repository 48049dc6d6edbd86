# exposition.awk - a strict reader of Prometheus' text format 0.0.4.  Says "LINE: what" of the first thing that is wrong and fails;
# else prints a line "FAMILY TYPE SAMPLES" for each family.
#
# Held to: HELP, then TYPE, then the samples of a family, together and once; names and labels by their grammar, only the three
# escapes; values are numbers; no series twice; counters end in _total; of a histogram the buckets grow and end with +Inf, which is
# the count; the last line ends.
function wrong(what) { if (!failed) print FNR ": " what > "/dev/stderr"; failed = 1; exit 1 }

# Takes what fits from the front of `rest`.
function take(pattern) {
	if (!match(rest, "^" pattern)) return 0
	taken = substr(rest, 1, RLENGTH)
	rest = substr(rest, RLENGTH + 1)
	return 1
}

function close_family() {
	if (family == "") return
	if (type[family] == "histogram" && !(sums == 1 && counts == 1 && last_bound == "+Inf" && last_bucket == count))
		wrong("buckets of " family " do not end with +Inf and the count, or sum and count are not there once")
}

# name="value",...}  => labels; le of a bucket is kept apart
function take_labels() {
	labels = ""; bound = ""
	if (!take("\\{")) return
	do {
		if (!take("[a-zA-Z_][a-zA-Z0-9_]*=\"")) wrong("expected a label")
		label = taken
		if (index(labels, label)) wrong("label " label " twice")
		if (!take("([^\"\\\\]|\\\\[\\\\\"n])*\"")) wrong("expected the value of " label)
		if (label == "le=\"") bound = substr(taken, 1, length(taken) - 1)
		labels = labels label taken ","
	} while (take(","))
	if (!take("}")) wrong("expected }")
}

function check_histogram(suffix, value) {
	if (suffix == "_sum") { sums++; return }
	if (suffix == "_count") { counts++; count = value; return }
	if (suffix != "_bucket" || bound == "") wrong("not a sample of a histogram")
	if (last_bound == "+Inf" || (last_bound != "" && bound != "+Inf" && bound + 0 <= last_bound + 0) || value < last_bucket)
		wrong("buckets do not grow")
	last_bound = bound; last_bucket = value
}

/^# HELP / {
	close_family()
	if (NF < 4 || $3 !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*$/) wrong("HELP of what?")
	family = $3; expects_type = 1
	if (family in type) wrong(family " once more")
	next
}
/^# TYPE / {
	if (!expects_type || NF != 4 || $3 != family || $4 !~ /^(counter|gauge|histogram)$/) wrong("TYPE without its HELP")
	if (($4 == "counter") != (family ~ /_total$/)) wrong("a counter, and nothing else, ends in _total")
	type[family] = $4; order[++families] = family; expects_type = 0
	last_bound = ""; last_bucket = sums = counts = 0
	next
}
{
	rest = $0
	if (expects_type || !take("[a-zA-Z_:][a-zA-Z0-9_:]*")) wrong("expected a sample")
	name = taken
	suffix = substr(name, length(family) + 1)
	if (family == "" || substr(name, 1, length(family)) != family || (suffix != "" && type[family] != "histogram"))
		wrong(name " is not of the family " family)
	take_labels()
	if (!take(" ") || rest !~ /^-?[0-9]+(\.[0-9]+)?(e[-+][0-9]+)?$/) wrong("expected a blank and a number")
	if (seen[name labels]++) wrong("a series twice")
	if (type[family] == "histogram") check_histogram(suffix, rest + 0)
	samples[family]++
}
END {
	if (failed) exit 1
	close_family()
	if (failed || !families) exit 1
	for (i = 1; i <= families; i++) print order[i], type[order[i]], samples[order[i]] + 0
}
