package report

import "strings"

// tableWidth is how many columns a table takes at most, unless it is wide.
const tableWidth = 120

// columnWidth is how wide cells make their column in wide output. A longer one, a whole dashboard, sticks out of its own
// row instead of filling all others with blanks.
const columnWidth = 100

// gap stands between two columns.
const gap = "  "

// cell is what one row has in one column.
type cell struct {
	// text may be cut, tail is kept: the age after a name.
	text, tail string
	// room is how many columns the tail is given at least, so that a table looks the same while time goes by.
	room int
}

func (c cell) width() int { return width(c.text) + max(width(c.tail), c.room) }

func (c cell) String() string { return c.text + c.tail }

// column says how the cells of a column are shortened.
type column struct {
	title string
	// good and least are widths: columns are first cut down to what is good, those with most above it first, and only then
	// to the least. A column that is never cut is reckoned with the least at least.
	good, least int
	// cut shortens a text to a width; nil: the column is never cut.
	cut func(text string, width int) string
}

// fitted is a column of a table that is being fitted.
type fitted struct {
	column
	cells []*cell
	// width is what the column takes now, whole what it would take uncut.
	width, whole int
}

// at is what the column takes with its cells cut to a width, which may be less than that: a path is cut where an element
// begins.
func (f *fitted) at(limit int) int {
	needs := width(f.title)
	for _, c := range f.cells {
		needs = max(needs, f.shortened(*c, limit).width())
	}
	return needs
}

func (f *fitted) shortened(c cell, limit int) cell {
	if over := c.width() - limit; over > 0 {
		c.text = f.cut(c.text, max(width(c.text)-over, 1))
	}
	return c
}

// fit cuts the cells so that no row is wider than limit, which the least widths have to allow. Rows are changed.
func fit(columns []column, rows [][]cell, limit int) {
	table := make([]*fitted, len(columns))
	left := limit - len(gap)*(len(columns)-1)
	for i, c := range columns {
		table[i] = &fitted{column: c, width: width(c.title)}
		if c.cut == nil {
			table[i].width = max(table[i].width, c.least)
		}
		for n := range rows {
			table[i].cells = append(table[i].cells, &rows[n][i])
			table[i].width = max(table[i].width, rows[n][i].width())
		}
		table[i].whole = table[i].width
		left -= table[i].width
	}
	left = shrink(table, left, func(f *fitted) int { return f.good })
	left = shrink(table, left, func(f *fitted) int { return f.least })
	grow(table, left)
	for _, f := range table {
		for _, c := range f.cells {
			if f.width < f.whole {
				*c = f.shortened(*c, f.width)
			}
		}
	}
}

// shrink takes width from the columns that have most above the floor, until no room is lacking: until left is not
// negative. It returns what is left then.
func shrink(table []*fitted, left int, floor func(*fitted) int) int {
	for left < 0 {
		var widest *fitted
		most, second := 0, 0
		for _, f := range table {
			above := f.width - floor(f)
			switch {
			case f.cut == nil || above <= 0:
			case above > most:
				widest, most, second = f, above, most
			default:
				second = max(second, above)
			}
		}
		if widest == nil {
			break
		}
		target := widest.width - max(min(-left, most-second), 1)
		now := min(widest.at(target), target)
		left += widest.width - now
		widest.width = now
	}
	return left
}

// grow gives the columns what is left, from the first to the last.
func grow(table []*fitted, left int) {
	for _, f := range table {
		for limit := min(f.whole, f.width+left); limit > f.width; limit-- {
			if needs := f.at(limit); needs > f.width {
				left -= needs - f.width
				f.width = needs
				break
			}
		}
	}
}

// lineUp returns a line for the titles and one for each row, cells made printable. Limit is how wide they may be, 0 for
// as wide as they are. Rows are changed.
func lineUp(columns []column, rows [][]cell, limit int) []string {
	for _, row := range rows {
		for i := range row {
			row[i].text, row[i].tail = printable(row[i].text), printable(row[i].tail)
		}
	}
	if limit > 0 {
		fit(columns, rows, limit)
	}
	titles := make([]cell, len(columns))
	for i, c := range columns {
		titles[i] = cell{text: c.title}
	}
	rows = append([][]cell{titles}, rows...)
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i := range row {
			if n := width(row[i].String()); n <= columnWidth {
				widths[i] = max(widths[i], n)
			}
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString(gap)
			}
			text := cell.String()
			line.WriteString(text)
			line.WriteString(strings.Repeat(" ", max(widths[i]-width(text), 0)))
		}
		lines[n] = strings.TrimRight(line.String(), " ")
	}
	return lines
}

// wrap breaks a sentence into lines of at most limit columns, between words.
func wrap(text string, limit int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		switch n := width(word); {
		case i == 0:
			at = n
		case at+1+n > limit:
			b.WriteByte('\n')
			at = n
		default:
			b.WriteByte(' ')
			at += 1 + n
		}
		b.WriteString(word)
	}
	return b.String()
}
