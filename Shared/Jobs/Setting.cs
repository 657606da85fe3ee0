using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Distributed.Jobs;

/// <summary>A named argument of a plugin's class; the name is in kebab-case: hidden-width.</summary>
internal sealed record Setting(string Name, SettingValue Value)
{
    public const int MaxCount = 64; // Settings of a section.
    public const int MaxListed = 256; // Numbers of a list.
    public const int MaxText = 256; // Characters of a text.
}

internal abstract record SettingValue
{
    private SettingValue() { }

    internal sealed record Flag(bool Value) : SettingValue;
    internal sealed record Whole(long Value) : SettingValue;

    /// <summary>A finite number that was not written as a whole one.</summary>
    internal sealed record Number(double Value) : SettingValue;

    internal sealed record Text(string Value) : SettingValue;
    internal sealed record Wholes(ValueList<long> Values) : SettingValue;

    /// <summary>Finite numbers, of which at least one was not written as a whole one.</summary>
    internal sealed record Numbers(ValueList<double> Values) : SettingValue;
}

/// <summary>Sections whose keys only a plugin knows. They are written sorted by name and each value in one form, so that equal settings
/// have equal texts. A number keeps its kind: 1.0 is not a whole number.</summary>
internal sealed partial class SettingsSection : Allowed<ValueList<Setting>>
{
    private const NumberStyles Decimal =
        NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private static readonly Leaf<string> _names = Allow.Plain(
        "a name in small letters and digits, such as hidden-width", name => name.Length <= Setting.MaxText && Name().IsMatch(name));

    public override string Text => $"a section of at most {Setting.MaxCount} settings, each {OneValue}";

    private static string OneValue => $"a number, true, false, a text of at most {Setting.MaxText} printable characters, "
        + $"or a list of at most {Setting.MaxListed} numbers";

    public override ValueList<Setting> Read(YamlNode node, string path) => node is YamlMap { Entries.Count: <= Setting.MaxCount } section
        ? [.. section.Entries.Select(entry => Read(entry.Key, entry.Value, path)).OrderBy(setting => setting.Name, StringComparer.Ordinal)]
        : throw Refused(node, path);

    public override void Write(StringBuilder yaml, ValueList<Setting> value, string path, int depth)
    {
        if (value.Count > Setting.MaxCount) throw new JobException($"the job: {path} has {value.Count} settings; allowed: {Text}");
        yaml.Append(value.Count == 0 ? " {}\n" : "\n");
        foreach (var (name, setting) in value.OrderBy(setting => setting.Name, StringComparer.Ordinal))
        {
            yaml.Append(' ', 2 * depth).Append(_names.Checked(name, path)).Append(": ");
            yaml.Append(Format(setting, YamlNode.Join(path, name))).Append('\n');
        }
    }

    private static Setting Read(string name, YamlNode node, string path)
    {
        var at = YamlNode.Join(path, name);
        if (!_names.Contains(name)) throw node.Fault($"{at} is not the name of a setting; allowed: {_names.Text}");
        return new(name, node switch
        {
            YamlScalar scalar => ValueOf(scalar),
            YamlList { Items.Count: <= Setting.MaxListed } list =>
                ListOf([.. list.Items.Select(item => item is YamlScalar scalar ? ValueOf(scalar) : null)]),
            _ => null,
        } ?? throw node.Fault($"{at} is {node.Found}; allowed: {OneValue}"));
    }

    private static SettingValue? ValueOf(YamlScalar scalar)
    {
        if (scalar.IsNull) return null;
        if (scalar is { Quoted: false, Text: "true" or "false" }) return new SettingValue.Flag(scalar.Text == "true");
        if (!scalar.Quoted && long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            return new SettingValue.Whole(whole);
        if (!scalar.Quoted && double.TryParse(scalar.Text, Decimal, CultureInfo.InvariantCulture, out var number))
            return double.IsFinite(number) ? new SettingValue.Number(number + 0.0) : null;
        return Allow.IsPrintable(scalar.Text, Setting.MaxText) ? new SettingValue.Text(scalar.Text) : null;
    }

    private static SettingValue? ListOf(IReadOnlyList<SettingValue?> items)
    {
        if (items.All(item => item is SettingValue.Whole))
            return new SettingValue.Wholes([.. items.Select(item => ((SettingValue.Whole)item!).Value)]);
        if (!items.All(item => item is SettingValue.Whole or SettingValue.Number)) return null;
        return new SettingValue.Numbers(
            [.. items.Select(item => item is SettingValue.Whole whole ? whole.Value : ((SettingValue.Number)item!).Value)]);
    }

    private static string Format(SettingValue value, string path) => value switch
    {
        SettingValue.Flag flag => flag.Value ? "true" : "false",
        SettingValue.Whole whole => whole.Value.ToString(CultureInfo.InvariantCulture),
        SettingValue.Number number when double.IsFinite(number.Value) => Format(number.Value),
        SettingValue.Text text when Allow.IsPrintable(text.Value, Setting.MaxText) => Allow.Quote(text.Value),
        SettingValue.Wholes wholes when wholes.Values.Count <= Setting.MaxListed => wholes.Values.ToString(),
        SettingValue.Numbers { Values.Count: > 0 and <= Setting.MaxListed } numbers when numbers.Values.All(double.IsFinite) =>
            $"[{string.Join(", ", numbers.Values.Select(Format))}]",
        _ => throw new JobException($"the job: {path} is {value}; allowed: {OneValue}"),
    };

    /// <summary>A text that does not read back as a whole number.</summary>
    private static string Format(double number)
    {
        var text = (number + 0.0).ToString("R", CultureInfo.InvariantCulture);
        return text.All(c => char.IsAsciiDigit(c) || c == '-') ? text + ".0" : text;
    }

    [GeneratedRegex("^[a-z][a-z0-9]*(-[a-z0-9]+)*\\z")]
    private static partial Regex Name();
}
