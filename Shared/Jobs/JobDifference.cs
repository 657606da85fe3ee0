namespace Distributed.Jobs;

internal static class JobDifference
{
    /// <summary>
    /// The keys of what decides the result that differ, each as "key is A, was B"; none where both jobs give the same bits. How
    /// gradients are brought together and when checkpoints are taken decides nothing of that.
    /// </summary>
    /// <param name="was">The job that a run was begun with.</param>
    public static IReadOnlyList<string> Between(Job was, Job now)
    {
        var (before, after) = (Leaves(was), Leaves(now with { Topology = was.Topology, Checkpoint = was.Checkpoint }));
        return [.. before.Keys.Union(after.Keys, StringComparer.Ordinal)
            .Where(key => before.GetValueOrDefault(key) != after.GetValueOrDefault(key))
            .Select(key => $"{key} is {after.GetValueOrDefault(key) ?? "absent"}, was {before.GetValueOrDefault(key) ?? "absent"}")];
    }

    private static Dictionary<string, string> Leaves(Job job)
    {
        var leaves = new Dictionary<string, string>(StringComparer.Ordinal);
        Collect(YamlReader.Read(JobFile.Format(job), line => $"line {line}"), "");
        return leaves;

        void Collect(YamlNode node, string path)
        {
            switch (node)
            {
                case YamlMap section:
                    foreach (var (key, value) in section.Entries) Collect(value, YamlNode.Join(path, key));
                    break;
                case YamlList list:
                    leaves[path] = $"[{string.Join(", ", list.Items.OfType<YamlScalar>().Select(item => item.Text))}]";
                    break;
                case YamlScalar scalar:
                    leaves[path] = scalar.Text;
                    break;
            }
        }
    }
}
