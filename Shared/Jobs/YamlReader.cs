using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Distributed.Jobs;

/// <summary>A part of a YAML document, with its place: "file:line", or the override that it came from.</summary>
internal abstract record YamlNode(string Place)
{
    public abstract string Found { get; } // Describes the node, to follow "is" in an error.

    public JobException Fault(string message) => new($"{Place}: {message}");

    public static string Join(string path, string key)
    {
        var shown = key.Length == 0 ? "\"\"" : Shown.Of(key);
        return path.Length == 0 ? shown : $"{path}.{shown}";
    }
}

/// <summary>A scalar. Only one without quotes can be a number, a flag or null.</summary>
internal sealed record YamlScalar(string Place, string Text, bool Quoted) : YamlNode(Place)
{
    public bool IsNull => !Quoted && Text is "" or "null" or "~";
    public override string Found => Quoted ? $"the text \"{Shown.Of(Text)}\"" : Text.Length == 0 ? "empty" : Shown.Of(Text);
}

internal sealed record YamlList(string Place, IReadOnlyList<YamlNode> Items) : YamlNode(Place)
{
    public override string Found => Items.Count == 1 ? "a list of 1 entry" : $"a list of {Items.Count} entries";
}

internal sealed record YamlMap(string Place, OrderedDictionary<string, YamlNode> Entries) : YamlNode(Place)
{
    public override string Found => "a section of keys";
}

/// <summary>Reads the part of YAML that jobs use: scalars, lists and sections in one document. The text may come from the network, so its
/// size and nesting are limited, and anchors, aliases and tags are refused.</summary>
internal sealed class YamlReader
{
    public const int MaxLength = 65_536; // Characters of a text.
    public const int MaxDepth = 8; // Levels of nested lists and sections.

    private readonly Func<long, string> _place;
    private readonly Scanner _scanner;
    private readonly Parser _parser;

    private YamlReader(string text, Func<long, string> place)
    {
        _place = place;
        _scanner = new Scanner(new StringReader(text));
        _parser = new Parser(_scanner);
    }

    /// <summary>Reads a document; an empty text is an empty scalar.</summary>
    /// <param name="place">Names the place of a line, counted from 1.</param>
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
        catch (Exception e) when (e is not JobException) // YamlDotNet throws others on broken text (InvalidOperation, Argument).
        {
            var line = reader._scanner.CurrentPosition.Line;
            throw new JobException($"{place(line)}: this is not YAML: is a bracket, brace or quote left open?", e);
        }
    }

    /// <summary>YamlDotNet reports this common mistake with the wrong line.</summary>
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
