using System.Text;

namespace Distributed.Jobs;

/// <summary>A task as a job file names it.</summary>
/// <param name="Name">Name of its <see cref="TaskKind"/>.</param>
/// <param name="Plugin">Which it is, where it is a plugin's.</param>
internal sealed record NamedTask(string Name, PluginTaskSpec? Plugin = null);

/// <summary>Tasks that are built in, by name alone, and tasks of plugins, each a section.</summary>
internal sealed class TaskChoice : Allowed<NamedTask>
{
    private readonly Leaf<string> _names = Allow.OneOf([.. TaskKind.All.Select(kind => kind.Name)]);
    private readonly Choice<PluginTaskSpec> _plugins = new(PluginKeys.Task);

    public override string Text => _names.Text;

    public override NamedTask Read(YamlNode node, string path) => node is YamlMap || (node is YamlScalar { Text: var name } && name == TaskKind.Plugin.Name)
        ? new(TaskKind.Plugin.Name, _plugins.Read(node, path))
        : new(_names.Read(node, path));

    public override void Write(StringBuilder yaml, NamedTask value, string path, int depth)
    {
        if (value.Name != TaskKind.Plugin.Name) _names.Write(yaml, value.Name, path, depth);
        else _plugins.Write(yaml, value.Plugin ?? throw new JobException($"the job: {path} is {value.Name}, but no class of one"), path, depth);
    }
}
