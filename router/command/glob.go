package command

// globFold matches text, which is lower case, with a glob pattern of the
// server's kind in any case: * ? [a-z] [^a-z] and \ before a literal. Unlike
// the server's it goes back to the last * only, so that no pattern of a
// stranger takes more than len(pattern) * len(text) steps.
func globFold(pattern, text string) bool {
	star, rest := -1, 0 // where to go on when the part behind the last * fails
	p, t := 0, 0
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, rest = p, t
			p++
			continue
		}
		if next, ok := matchOne(pattern, p, text[t]); ok {
			p = next
			t++
			continue
		}
		if star < 0 {
			return false
		}
		rest++
		p, t = star+1, rest
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches one byte of text with what stands at pattern[p], and
// returns what follows that.
func matchOne(pattern string, p int, c byte) (next int, ok bool) {
	if p == len(pattern) {
		return p, false
	}
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, lower(pattern[p]) == c
}

// matchClass matches c with the class whose '[' is before p. A class without
// its ']' ends with the pattern.
func matchClass(pattern string, p int, c byte) (next int, ok bool) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		if pattern[p] == '\\' && p+1 < len(pattern) {
			p++
		}
		low, high := lower(pattern[p]), lower(pattern[p])
		if p+2 < len(pattern) && pattern[p+1] == '-' {
			high = lower(pattern[p+2])
			p += 2
		}
		ok = ok || min(low, high) <= c && c <= max(low, high)
	}
	return min(p+1, len(pattern)), ok != negated
}
