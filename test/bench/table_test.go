package bench

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// printTable prints rows, the first of which is the head, under a title.
func printTable(b *testing.B, title string, rows [][]string) {
	b.Helper()
	fmt.Printf("\n%s\n", title)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, cells := range rows {
		if _, err := fmt.Fprintln(table, strings.Join(cells, "\t")+"\t"); err != nil {
			b.Fatal(err)
		}
	}
	if err := table.Flush(); err != nil {
		b.Fatal(err)
	}
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
