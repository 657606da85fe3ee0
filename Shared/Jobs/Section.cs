using System.Text;

namespace Distributed.Jobs;

internal sealed class Section<T>(T defaults, Func<Fields, T, T> keys) : Allowed<T> where T : class
{
    public override string Text => "a section of keys with values";

    public override T Read(YamlNode node, string path) => node is YamlMap section
        ? FieldReader.Read(section, path, fields => keys(fields, defaults))
        : throw Refused(node, path);

    public override void Write(StringBuilder yaml, T value, string path, int depth)
    {
        yaml.Append('\n');
        keys(new FieldWriter(yaml, path, depth), value);
    }
}
