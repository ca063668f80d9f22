#!/bin/sh
echo announce
