package main

import (
	"fmt"

	"github.com/dobyte/due/v2/encoding"
	"google.golang.org/protobuf/types/known/typepb"
)

func init() { encoding.Register(raw{}) }

// Bodies as they are.
type raw struct{}

func (raw) Name() string { return "raw" }

func (raw) Marshal(v any) ([]byte, error) {
	if body, ok := v.([]byte); ok {
		return body, nil
	}
	return nil, fmt.Errorf("a %T is not raw", v)
}

func (raw) Unmarshal(data []byte, v any) error {
	body, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a %T takes no raw body", v)
	}
	*body = append([]byte{}, data...)
	return nil
}

// What the codecs are tried with. As proto it is a google.protobuf.Field, which both sides have without a generator.
type letter struct {
	Name   string   `json:"name" msgpack:"name"`
	Number int32    `json:"number" msgpack:"number"`
	Packed bool     `json:"packed" msgpack:"packed"`
	Lines  []string `json:"lines,omitempty" msgpack:"lines"`
	Score  float64  `json:"score,omitempty" msgpack:"score"`
}

// As a codec wants it.
func (l *letter) forCodec(codec string) any {
	if codec == "proto" {
		return &typepb.Field{Name: l.Name, Number: l.Number, Packed: l.Packed}
	}
	return l
}

// A letter out of what a codec has.
func readLetter(codec string, parse func(any) error) (*letter, error) {
	if codec == "proto" {
		field := &typepb.Field{}
		err := parse(field)
		return &letter{Name: field.Name, Number: field.Number, Packed: field.Packed}, err
	}
	l := &letter{}
	return l, parse(l)
}
