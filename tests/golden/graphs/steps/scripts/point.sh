#!/bin/sh
echo point
