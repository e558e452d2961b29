package oracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ReadRows collects, over the HTTP interface of ClickHouse at addr (host:port), from which
// record each row of the tables came that store records, and sets RowsRead.
func (o *Observed) ReadRows(ctx context.Context, addr string) error {
	for _, table := range stored {
		query := "SELECT topic, partition, offset FROM riposte." + table + " FORMAT TabSeparated"
		if err := o.query(ctx, addr, query); err != nil {
			return fmt.Errorf("oracle: table %s: %w", table, err)
		}
	}
	o.RowsRead = true
	return nil
}

func (o *Observed) query(ctx context.Context, addr, query string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", strings.NewReader(query))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("%s: %s", resp.Status, text)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		p, err := row(lines.Text())
		if err != nil {
			return err
		}
		o.Rows = append(o.Rows, p)
	}
	return lines.Err()
}

func row(line string) (Position, error) {
	f := strings.Split(line, "\t")
	if len(f) != 3 {
		return Position{}, fmt.Errorf("row %q: want topic, partition and offset", line)
	}
	partition, err := strconv.ParseInt(f[1], 10, 32)
	if err != nil {
		return Position{}, fmt.Errorf("row %q: %w", line, err)
	}
	offset, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return Position{}, fmt.Errorf("row %q: %w", line, err)
	}
	return Position{f[0], int32(partition), offset}, nil
}
