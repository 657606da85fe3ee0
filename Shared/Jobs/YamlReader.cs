using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Distributed.Jobs;

/// <summary>
/// Reads the part of YAML that jobs use: scalars, lists and sections in one document. The text may come from the network, so its
/// size and nesting are capped, and what can make a small text large (anchors, aliases) or strange (tags) is refused.
/// </summary>
internal sealed class YamlReader
{
    /// <summary>The longest text, in characters.</summary>
    public const int MaxLength = 65_536;

    /// <summary>The deepest nesting of lists and sections.</summary>
    public const int MaxDepth = 8;

    private readonly Func<long, string> _place;
    private readonly Scanner _scanner;
    private readonly Parser _parser;

    private YamlReader(string text, Func<long, string> place)
    {
        _place = place;
        _scanner = new Scanner(new StringReader(text));
        _parser = new Parser(_scanner);
    }

    /// <summary>The document in <paramref name="text"/>, an empty scalar if there is none.</summary>
    /// <param name="place">Names the place of a line, counted from 1.</param>
    /// <exception cref="JobException">The text is not such a document.</exception>
    public static YamlNode Read(string text, Func<long, string> place)
    {
        if (text.Length > MaxLength)
            throw new JobException($"{place(1)}: the text is {text.Length} characters long; allowed: at most {MaxLength}");
        RefuseTabs(text, place);
        var reader = new YamlReader(text, place);
        try
        {
            return reader.Document();
        }
        catch (YamlException e)
        {
            throw new JobException($"{place(e.Start.Line)}: this is not YAML: {e.Message}", e);
        }
        catch (Exception e) when (e is not JobException) // YamlDotNet lets its own slips out on broken text (InvalidOperation, Argument).
        {
            var line = reader._scanner.CurrentPosition.Line;
            throw new JobException($"{place(line)}: this is not YAML: is a bracket, brace or quote left open?", e);
        }
    }

    /// <summary>The most common slip, which YamlDotNet reports with the line of something else.</summary>
    private static void RefuseTabs(string text, Func<long, string> place)
    {
        var number = 0;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            number++;
            var content = line.TrimStart();
            if (content.Length > 0 && line[..^content.Length].Contains('\t'))
                throw new JobException($"{place(number)}: the line is indented with a tab; allowed: spaces");
        }
    }

    private YamlNode Document()
    {
        _parser.Consume<StreamStart>();
        if (_parser.Accept<StreamEnd>(out _)) return new YamlScalar(_place(1), "", Quoted: false);
        _parser.Consume<DocumentStart>();
        var node = Node("", 1, null);
        _parser.Consume<DocumentEnd>();
        return _parser.Accept<DocumentStart>(out var next) ? throw Fault(next, "a second document starts; allowed: one document") : node;
    }

    private YamlNode Node(string path, int depth, string? keyPlace)
    {
        var start = _parser.Consume<ParsingEvent>();
        if (depth > MaxDepth && start is not Scalar) throw Fault(start, $"this is nested too deeply; allowed: {MaxDepth} levels");
        if (start is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
            throw Fault(start, "this uses an anchor or alias (& or *); allowed: the value itself");
        if (start is NodeEvent { Tag.IsEmpty: false }) throw Fault(start, "this has a tag (!); allowed: values without tags");
        var place = keyPlace ?? Place(start);
        return start switch
        {
            Scalar scalar => new YamlScalar(place, scalar.Value, scalar.Style != ScalarStyle.Plain),
            SequenceStart => List(place, path, depth),
            _ => Map(place, path, depth),
        };
    }

    private YamlList List(string place, string path, int depth)
    {
        var items = new List<YamlNode>();
        while (!_parser.TryConsume<SequenceEnd>(out _)) items.Add(Node($"{path}[{items.Count}]", depth + 1, null));
        return new(place, items);
    }

    private YamlMap Map(string place, string path, int depth)
    {
        var entries = new OrderedDictionary<string, YamlNode>();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            _parser.Accept<ParsingEvent>(out var at);
            if (at is not Scalar) throw Fault(at!, "a key is not a word; allowed: key: value");
            var key = (YamlScalar)Node(path, depth, null);
            var keyPath = YamlNode.Join(path, key.Text);
            if (entries.TryGetValue(key.Text, out var first))
                throw key.Fault($"{keyPath} is given again, first at {first.Place}; allowed: once");
            entries.Add(key.Text, Node(keyPath, depth + 1, key.Place));
        }
        return new(place, entries);
    }

    private string Place(ParsingEvent at) => _place(at.Start.Line);

    private JobException Fault(ParsingEvent at, string message) => new($"{Place(at)}: {message}");
}
