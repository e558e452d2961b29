package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// Item is one entry of the context. Exactly one member is set.
type Item struct {
	Asset     *pipeline.Asset
	Identity  *pipeline.Identity
	Finding   *pipeline.Finding
	Exploited *pipeline.Exploited
	Indicator *pipeline.Indicator
}

// Topic returns the topic that the item belongs on, and the schema of its value.
func (it *Item) Topic() (topic, schema string) {
	switch {
	case it.Asset != nil:
		return pipeline.TopicAssets, pipeline.SchemaAsset
	case it.Identity != nil:
		return pipeline.TopicIdentities, pipeline.SchemaIdentity
	case it.Finding != nil:
		return pipeline.TopicVulnerabilities, pipeline.SchemaFinding
	case it.Exploited != nil:
		return pipeline.TopicVulnerabilities, pipeline.SchemaExploited
	case it.Indicator != nil:
		return pipeline.TopicIndicators, pipeline.SchemaIndicator
	}
	panic("BUG: an empty item")
}

// Own says whose entry and of which source the item is.
func (it *Item) Own(tenant, source string) {
	switch {
	case it.Asset != nil:
		it.Asset.Tenant, it.Asset.Source = tenant, source
	case it.Identity != nil:
		it.Identity.Tenant, it.Identity.Source = tenant, source
	case it.Finding != nil:
		it.Finding.Tenant, it.Finding.Source = tenant, source
	case it.Exploited != nil:
		it.Exploited.Tenant, it.Exploited.Source = tenant, source
	case it.Indicator != nil:
		it.Indicator.Tenant, it.Indicator.Source = tenant, source
	}
}

// kindExploited stands in the place of an entity's kind in the key of an Exploited.
const kindExploited = "exploited"

// AppendKey appends the key of the item's record.
func (it *Item) AppendKey(dst []byte) []byte {
	switch {
	case it.Asset != nil:
		a := it.Asset
		return pipeline.AppendKey(dst, a.Tenant, a.Source, a.Kind, a.Value)
	case it.Identity != nil:
		i := it.Identity
		return pipeline.AppendKey(dst, i.Tenant, i.Source, i.Kind, i.Value)
	case it.Finding != nil:
		f := it.Finding
		return pipeline.AppendKey(dst, f.Tenant, f.Source, f.Kind, f.Value, f.ID, f.Package)
	case it.Exploited != nil:
		x := it.Exploited
		return pipeline.AppendKey(dst, x.Tenant, x.Source, kindExploited, x.ID)
	case it.Indicator != nil:
		i := it.Indicator
		return pipeline.AppendKey(dst, i.Tenant, i.Source, i.Kind, i.Value)
	}
	panic("BUG: an empty item")
}

// value returns what is set.
func (it *Item) value() any {
	switch {
	case it.Asset != nil:
		return it.Asset
	case it.Identity != nil:
		return it.Identity
	case it.Finding != nil:
		return it.Finding
	case it.Exploited != nil:
		return it.Exploited
	}
	return it.Indicator
}

// MarshalJSON returns the value of the item's record: equal items have equal bytes.
func (it *Item) MarshalJSON() ([]byte, error) { return json.Marshal(it.value()) }

var errForeign = errors.New("the key does not belong to the value")

// decode reads the record of an entry. It refuses one whose key is not that of its value:
// nobody can take back what lies under a key that cannot be derived.
func decode(r *pipeline.Record) (Item, error) {
	var it Item
	var into any
	switch schema := string(r.Header(pipeline.HeaderSchema)); schema {
	case pipeline.SchemaAsset:
		it.Asset = new(pipeline.Asset)
		into = it.Asset
	case pipeline.SchemaIdentity:
		it.Identity = new(pipeline.Identity)
		into = it.Identity
	case pipeline.SchemaFinding:
		it.Finding = new(pipeline.Finding)
		into = it.Finding
	case pipeline.SchemaExploited:
		it.Exploited = new(pipeline.Exploited)
		into = it.Exploited
	case pipeline.SchemaIndicator:
		it.Indicator = new(pipeline.Indicator)
		into = it.Indicator
	default:
		return it, fmt.Errorf("schema %.40q is not known", schema)
	}
	if err := json.Unmarshal(r.Value, into); err != nil {
		return Item{}, err
	}
	if string(it.AppendKey(nil)) != string(r.Key) {
		return Item{}, errForeign
	}
	return it, nil
}

// sourceOf returns the tenant and the source that a key belongs to, and whether it is the
// key of an entry, not that of a load.
func sourceOf(key string) (source string, entry bool) {
	first := strings.IndexByte(key, 0x1f)
	if first < 0 {
		return key, false
	}
	second := strings.IndexByte(key[first+1:], 0x1f)
	if second < 0 {
		return key, false
	}
	return key[:first+1+second], true
}
