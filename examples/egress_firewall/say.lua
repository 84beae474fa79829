-- One indented line of the demo's output.

return function(format, ...)
  print(("    " .. format):format(...))
end
