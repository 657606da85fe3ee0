using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Distributed.Jobs;

/// <summary>
/// Sections whose keys only a plugin knows. Written sorted by name and each value in one form, so that equal settings are equal texts; a
/// number keeps its kind: 1.0 is no whole number.
/// </summary>
internal sealed partial class SettingsSection : Allowed<ValueList<Setting>>
{
    private const NumberStyles Decimal = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private static readonly Leaf<string> _names = new(
        "a name in small letters and digits, such as hidden-width",
        (scalar, out value) => (value = scalar.Text).Length > 0,
        name => name.Length <= Setting.MaxText && Name().IsMatch(name),
        name => name);

    public override string Text => $"a section of at most {Setting.MaxCount} settings, each {OneValue}";

    private static string OneValue =>
        $"a number, true, false, a text of at most {Setting.MaxText} printable characters, or a list of at most {Setting.MaxListed} numbers";

    public override ValueList<Setting> Read(YamlNode node, string path) => node is YamlMap section && section.Entries.Count <= Setting.MaxCount
        ? [.. section.Entries.Select(entry => Read(entry.Key, entry.Value, path)).OrderBy(setting => setting.Name, StringComparer.Ordinal)]
        : throw Refused(node, path);

    public override void Write(StringBuilder yaml, ValueList<Setting> value, string path, int depth)
    {
        if (value.Count > Setting.MaxCount) throw new JobException($"the job: {path} has {value.Count} settings; allowed: {Text}");
        yaml.Append(value.Count == 0 ? " {}\n" : "\n");
        foreach (var (name, setting) in value.OrderBy(setting => setting.Name, StringComparer.Ordinal))
            yaml.Append(' ', 2 * depth).Append(_names.Checked(name, path)).Append(": ").Append(Format(setting, YamlNode.Join(path, name))).Append('\n');
    }

    private static Setting Read(string name, YamlNode node, string path)
    {
        var at = YamlNode.Join(path, name);
        if (!_names.Contains(name)) throw node.Fault($"{at} has no name of a setting; allowed: {_names.Text}");
        return new(name, node switch
        {
            YamlScalar scalar => ValueOf(scalar),
            YamlList list when list.Items.Count <= Setting.MaxListed => ListOf([.. list.Items.Select(item => item is YamlScalar scalar ? ValueOf(scalar) : null)]),
            _ => null,
        } ?? throw node.Fault($"{at} is {node.Found}; allowed: {OneValue}"));
    }

    private static SettingValue? ValueOf(YamlScalar scalar) => scalar switch
    {
        { IsNull: true } => null,
        { Quoted: false, Text: "true" or "false" } => new SettingValue.Flag(scalar.Text == "true"),
        { Quoted: false } when long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => new SettingValue.Whole(whole),
        { Quoted: false } when double.TryParse(scalar.Text, Decimal, CultureInfo.InvariantCulture, out var number) => double.IsFinite(number) ? new SettingValue.Number(number + 0.0) : null,
        _ => Allow.IsPrintable(scalar.Text, Setting.MaxText) ? new SettingValue.Text(scalar.Text) : null,
    };

    private static SettingValue? ListOf(IReadOnlyList<SettingValue?> items) => items switch
    {
        _ when items.All(item => item is SettingValue.Whole) => new SettingValue.Wholes([.. items.Select(item => ((SettingValue.Whole)item!).Value)]),
        _ when items.All(item => item is SettingValue.Whole or SettingValue.Number) => new SettingValue.Numbers(
            [.. items.Select(item => item is SettingValue.Whole whole ? whole.Value : ((SettingValue.Number)item!).Value)]),
        _ => null,
    };

    private static string Format(SettingValue value, string path) => value switch
    {
        SettingValue.Flag flag => flag.Value ? "true" : "false",
        SettingValue.Whole whole => whole.Value.ToString(CultureInfo.InvariantCulture),
        SettingValue.Number number when double.IsFinite(number.Value) => Format(number.Value),
        SettingValue.Text text when Allow.IsPrintable(text.Value, Setting.MaxText) => Allow.InQuotes(text.Value),
        SettingValue.Wholes wholes when wholes.Values.Count <= Setting.MaxListed => wholes.Values.ToString(),
        SettingValue.Numbers numbers when numbers.Values.Count is > 0 and <= Setting.MaxListed && numbers.Values.All(double.IsFinite) =>
            $"[{string.Join(", ", numbers.Values.Select(Format))}]",
        _ => throw new JobException($"the job: {path} is {value}; allowed: {OneValue}"),
    };

    /// <summary>A number that reads back as one that is not whole.</summary>
    private static string Format(double number)
    {
        var text = (number + 0.0).ToString("R", CultureInfo.InvariantCulture);
        return text.All(c => char.IsAsciiDigit(c) || c == '-') ? text + ".0" : text;
    }

    [GeneratedRegex("^[a-z][a-z0-9]*(-[a-z0-9]+)*\\z")]
    private static partial Regex Name();
}
